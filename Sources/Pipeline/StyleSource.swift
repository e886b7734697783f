import Augmentation
import StyleTransfer

/// Where the styles of a stream come from.
package enum StyleSource: Sendable {
  /// Another sample of the same style group of the batch.
  case inBatch
  /// A fixed list of named embeddings: those of a style folder or of a bank. Without weights, all are equally likely.
  case embeddings(names: [String], [StyleEmbedding], weights: StyleWeights?)
  /// Styles without end, drawn from the Gaussian of a bank.
  case sampled(StyleDistribution)
}
