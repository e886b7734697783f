/// The shape of a model, as the `architecture` entry of its file states it. docs/model-format.md is the specification.
public struct ModelArchitecture: Sendable, Hashable {
  /// One inverted residual block of the predictor.
  public struct Block: Sendable, Hashable {
    /// How many times wider the block is inside: 1...16.
    public let expansion: Int
    /// Channels it puts out.
    public let channels: Int
    /// 1 or 2.
    public let stride: Int
  }

  /// The predictor, a MobileNetV2.
  public struct Predictor: Sendable, Hashable {
    /// Width and height of the picture it sees.
    public let side: Int
    /// Channels after the first convolution.
    public let stem: Int
    /// The blocks in order.
    public let blocks: [Block]
    /// Channels before the mean over the picture.
    public let head: Int
  }

  /// The transformer of Ghiasi et al. 2017.
  public struct Transformer: Sendable, Hashable {
    /// Channels after the three contracting convolutions.
    public let contract: [Int]
    /// Number of residual blocks.
    public let residual: Int
    /// Channels after the two upsampling convolutions.
    public let expand: [Int]
    /// Kernel sides of the first and the last convolution.
    public let endKernels: [Int]
  }

  /// Length of z.
  public let embedding: Int
  /// Nil in a transformer-only model.
  public let predictor: Predictor?
  /// The transformer.
  public let transformer: Transformer

  /// The smallest side of a picture that reflection padding allows at a quarter of the resolution.
  public static let minimumSide = 8
  /// Both sides of a picture must be multiples of this: the transformer halves them twice.
  public static let sideMultiple = 4
}
