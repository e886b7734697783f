import StyleTransfer

/// Where the styles of a stream come from.
package enum StyleSource: Sendable {
  /// Another sample of the same style group of the batch.
  case inBatch
  /// A fixed list of named embeddings: those of a style folder or of a bank.
  case embeddings(names: [String], [StyleEmbedding])
  /// Styles without end, drawn from the Gaussian of a bank.
  case sampled(StyleDistribution)
}
