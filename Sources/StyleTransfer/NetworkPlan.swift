// A network as values: layers in order, each with its weights. An engine is built from these and nothing else.

/// What a layer applies to every number it produced.
package enum Activation: Sendable, Hashable {
  /// Nothing.
  case identity
  /// `max(0, x)`.
  case relu
  /// `min(6, max(0, x))`.
  case relu6
  /// `1 / (1 + exp(-x))`.
  case sigmoid
}

/// What a convolution sees beyond the border of its input.
package enum BorderPadding: Sendable, Hashable {
  /// The picture mirrored at its border pixel, which is not repeated; half the kernel on each side.
  case reflection
  /// Zeros, as many as the output size `input / stride` needs, the odd one after: TensorFlow's "SAME". With stride 1 that
  /// is half the kernel on each side; a 3x3 kernel with stride 2 on an even side gets none before and one after.
  case zeros
}

/// `y = weight x + bias`.
package struct AffineMap: Sendable {
  /// Length of x.
  package let inputs: Int
  /// Length of y.
  package let outputs: Int
  /// `[outputs][inputs]`, row by row.
  package let weight: [Float]
  /// `[outputs]`.
  package let bias: [Float]

  /// Numbers learnt.
  package var parameterCount: Int { weight.count + bias.count }
  /// Multiplications for one x.
  package var macs: Int { weight.count }
}

/// Instance normalisation whose scale and shift depend on the style: `scale(z) (x - mean) / sqrt(variance + epsilon) + shift(z)`,
/// with mean and biased variance of one channel over the picture.
package struct ConditionalNormalization: Sendable {
  /// Keeps the division finite on a flat channel; the same in every published network.
  package static let epsilon: Float = 1e-5

  /// Embedding to one scale for each channel.
  package let scale: AffineMap
  /// Embedding to one shift for each channel.
  package let shift: AffineMap
}

/// One convolution with everything that is applied around it, in this order: upsampling, padding, convolution, bias,
/// normalisation, activation.
package struct Convolution: Sendable {
  /// The name of its tensors in the model file, without `.weight`.
  package let name: String
  /// Channels of the picture it reads.
  package let inputChannels: Int
  /// Channels of the picture it writes.
  package let outputChannels: Int
  /// Side of the square kernel; odd.
  package let kernel: Int
  /// 1, or 2 to halve both sides of the picture.
  package let stride: Int
  /// Each channel is convolved with its own kernel and no other; input and output channels agree.
  package let isDepthwise: Bool
  /// Rows and columns are repeated this many times before the convolution: 1 or 2.
  package let upsampling: Int
  /// What lies beyond the border.
  package let padding: BorderPadding
  /// `[output][input][row][column]`; for a depthwise convolution `[channel][row][column]`.
  package let weight: [Float]
  /// `[output]`; nil in front of a normalisation, which would subtract it.
  package let bias: [Float]?
  /// The style's way into the network.
  package let normalization: ConditionalNormalization?
  /// Applied last.
  package let activation: Activation

  /// The side (width or height) of the output for a side of the input.
  package func outputSide(for inputSide: Int) -> Int { (inputSide * upsampling + stride - 1) / stride }

  /// Numbers learnt.
  package var parameterCount: Int {
    weight.count + (bias?.count ?? 0)
      + (normalization.map { $0.scale.parameterCount + $0.shift.parameterCount } ?? 0)
  }

  /// Multiply-accumulates of the convolution for an input of this size; the normalisation is not counted.
  package func macs(inputWidth: Int, inputHeight: Int) -> Int {
    weight.count * outputSide(for: inputWidth) * outputSide(for: inputHeight)
  }
}

/// A block of MobileNetV2: widen, filter each channel, narrow.
package struct InvertedResidual: Sendable {
  /// 1x1; nil when the expansion is 1.
  package let expand: Convolution?
  /// 3x3, with the block's stride.
  package let depthwise: Convolution
  /// 1x1, no activation.
  package let project: Convolution
  /// The block's input is added to its output.
  package let addsInput: Bool

  /// The convolutions in order.
  package var convolutions: [Convolution] { (expand.map { [$0] } ?? []) + [depthwise, project] }
}

/// The style predictor F, layer by layer.
package struct PredictorPlan: Sendable {
  /// Width and height of the picture it sees.
  package let side: Int
  /// 3x3, stride 2.
  package let stem: Convolution
  /// In order.
  package let blocks: [InvertedResidual]
  /// 1x1, before the mean over the picture.
  package let head: Convolution
  /// From the means to z.
  package let embedding: AffineMap

  /// Every convolution in order.
  package var convolutions: [Convolution] { [stem] + blocks.flatMap(\.convolutions) + [head] }
  /// Numbers learnt.
  package var parameterCount: Int {
    convolutions.reduce(embedding.parameterCount) { $0 + $1.parameterCount }
  }
  /// Multiply-accumulates for one picture.
  package var macs: Int { convolutionMACs(convolutions, width: side, height: side) + embedding.macs }
}

/// `x + second(first(x))`.
package struct ResidualBlock: Sendable {
  /// With normalisation and ReLU.
  package let first: Convolution
  /// With normalisation, no activation.
  package let second: Convolution
}

/// The style transformer T, layer by layer.
package struct TransformerPlan: Sendable {
  /// Three convolutions down to a quarter of each side.
  package let contract: [Convolution]
  /// At a quarter of each side.
  package let residual: [ResidualBlock]
  /// Two upsampling convolutions and the last one, to RGB.
  package let expand: [Convolution]

  /// Every convolution in order.
  package var convolutions: [Convolution] { contract + residual.flatMap { [$0.first, $0.second] } + expand }
  /// Numbers learnt.
  package var parameterCount: Int { convolutions.reduce(0) { $0 + $1.parameterCount } }
  /// Multiply-accumulates of the convolutions and of the styles' affine maps for one picture.
  package func macs(width: Int, height: Int) -> Int {
    let styles = convolutions.reduce(0) { sum, layer in
      sum + (layer.normalization.map { $0.scale.macs + $0.shift.macs } ?? 0)
    }
    return convolutionMACs(convolutions, width: width, height: height) + styles
  }
}

/// Numbers in the largest picture, channels and all, that passes through a chain of convolutions.
func largestPicture(of layers: [Convolution], width: Int, height: Int) -> Int {
  var width = width
  var height = height
  var largest = 0
  for layer in layers {
    largest = max(largest, layer.inputChannels * width * height)
    width = layer.outputSide(for: width)
    height = layer.outputSide(for: height)
    largest = max(largest, layer.outputChannels * width * height)
  }
  return largest
}

private func convolutionMACs(_ layers: [Convolution], width: Int, height: Int) -> Int {
  var width = width
  var height = height
  var total = 0
  for layer in layers {
    total += layer.macs(inputWidth: width, inputHeight: height)
    width = layer.outputSide(for: width)
    height = layer.outputSide(for: height)
  }
  return total
}
