// What the layers of a network are, without their weights. docs/model-format.md is the specification.

/// What a layer applies to every number it produced.
package enum Activation: String, Sendable, Hashable, CaseIterable {
  /// Nothing.
  case identity
  /// `max(0, x)`.
  case relu
  /// `min(6, max(0, x))`.
  case relu6
  /// `1 / (1 + exp(-x))`.
  case sigmoid
}

/// Pixels that a layer adds around its input.
package struct Padding: Sendable, Hashable {
  /// What the pixels hold.
  package enum Border: String, Sendable, Hashable, CaseIterable {
    case zeros
    /// The picture mirrored at its border pixel, which is not repeated.
    case mirrored
  }

  /// Rows before the first.
  package let top: Int
  /// Rows after the last.
  package let bottom: Int
  /// Columns before the first.
  package let left: Int
  /// Columns after the last.
  package let right: Int
  /// What they hold.
  package let border: Border

  /// Nothing around the picture.
  package static let none = Padding(top: 0, bottom: 0, left: 0, right: 0, border: .zeros)

  /// The same on every side.
  package static func all(_ pixels: Int, _ border: Border) -> Padding {
    Padding(top: pixels, bottom: pixels, left: pixels, right: pixels, border: border)
  }

  /// What a 3x3 window with stride 2 needs on an even side in TensorFlow's "SAME": nothing before, one after.
  package static let afterOnly = Padding(top: 0, bottom: 1, left: 0, right: 1, border: .zeros)
}

/// The window that a convolution or pooling layer moves over its padded input.
package struct Window: Sendable, Hashable {
  /// Rows of the kernel.
  package let rows: Int
  /// Columns of the kernel.
  package let columns: Int
  /// 1, or 2 to visit every other row and column.
  package let stride: Int
  /// What is added around the input first.
  package let padding: Padding

  /// Where the window fits along each axis.
  func output(width: Int, height: Int) -> (width: Int, height: Int) {
    (
      (width + padding.left + padding.right - columns) / stride + 1,
      (height + padding.top + padding.bottom - rows) / stride + 1
    )
  }
}

/// The form of a convolution: everything but its weights.
package struct ConvolutionForm: Sendable, Hashable {
  /// How a convolution's channels are normalised before its activation.
  package enum Normalization: String, Sendable, Hashable, CaseIterable {
    /// Instance normalisation with scale and shift from z.
    case style
    /// Instance normalisation with neither.
    case instance
  }

  /// Channels of the picture it writes.
  package let channels: Int
  /// Kernel, stride and padding.
  package let window: Window
  /// Each channel is convolved with its own kernel and no other; input and output channels agree.
  package let isDepthwise: Bool
  /// Rows and columns are repeated this many times before the padding: 1 or 2.
  package let upsampling: Int
  /// Nil for none; then the convolution has a bias.
  package let normalization: Normalization?
  /// Applied last.
  package let activation: Activation

  /// A convolution without upsampling.
  init(
    channels: Int, window: Window, isDepthwise: Bool = false, upsampling: Int = 1,
    normalization: Normalization? = nil, activation: Activation
  ) {
    self.channels = channels
    self.window = window
    self.isDepthwise = isDepthwise
    self.upsampling = upsampling
    self.normalization = normalization
    self.activation = activation
  }
}

/// What a layer does. Its convolution is a `ConvolutionForm` before its weights are read, and a `Convolution` afterwards.
package enum LayerOperation<Convolving: Sendable>: Sendable {
  case convolution(Convolving)
  /// The largest number in each window, which has no padding.
  case maxPooling(Window)
  /// The mean of each window with stride 1; the border counts as zeros, or not at all.
  case averagePooling(Window, countsBorder: Bool)
  /// The sum of two pictures of one shape.
  case addition
  /// The channels of several pictures of one size, one picture after the other.
  case concatenation
  /// Squares of this side as channels: for each channel, the rows and columns of the square (PyTorch's `pixel_unshuffle`).
  case spaceToDepth(Int)
  /// The reverse (PyTorch's `pixel_shuffle`).
  case depthToSpace(Int)
}

extension LayerOperation: Equatable where Convolving: Equatable {}
extension LayerOperation: Hashable where Convolving: Hashable {}

/// One layer of a network as its file describes it.
package struct LayerDescription: Sendable, Hashable {
  package typealias Operation = LayerOperation<ConvolutionForm>

  /// Distinct in its network; a convolution's tensors are named after it.
  package let name: String
  /// What it does.
  package let operation: Operation
  /// What it reads: 0 is the network's picture, k the output of layer k - 1.
  package let inputs: [Int]
}
