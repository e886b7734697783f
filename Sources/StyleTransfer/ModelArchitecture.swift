/// The shape of a model, as the `architecture` entry of its file states it. docs/model-format.md is the specification.
package struct ModelArchitecture: Sendable, Hashable {
  /// One inverted residual block of the predictor.
  package struct Block: Sendable, Hashable {
    /// How many times wider the block is inside: 1...16.
    package let expansion: Int
    /// Channels it puts out.
    package let channels: Int
    /// 1 or 2.
    package let stride: Int
  }

  /// The predictor, a MobileNetV2.
  package struct Predictor: Sendable, Hashable {
    /// Width and height of the picture it sees.
    package let side: Int
    /// Channels after the first convolution.
    package let stem: Int
    /// The blocks in order.
    package let blocks: [Block]
    /// Channels before the mean over the picture.
    package let head: Int
  }

  /// The transformer of Ghiasi et al. 2017.
  package struct Transformer: Sendable, Hashable {
    /// Channels after the three contracting convolutions.
    package let contract: [Int]
    /// Number of residual blocks.
    package let residual: Int
    /// Channels after the two upsampling convolutions.
    package let expand: [Int]
    /// Kernel sides of the first and the last convolution.
    package let endKernels: [Int]
  }

  /// Length of z.
  package let embedding: Int
  /// Nil in a transformer-only model.
  package let predictor: Predictor?
  /// The transformer.
  package let transformer: Transformer

  /// The smallest side of a picture that reflection padding allows at a quarter of the resolution.
  package static let minimumSide = 8
  /// Both sides of a picture must be multiples of this: the transformer halves them twice.
  package static let sideMultiple = 4
}
