// A network as values: layers with their weights. An engine is built from these and nothing else.

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

/// Instance normalisation: `scale (x - mean) / sqrt(variance + epsilon) + shift`, with mean and biased variance of one channel
/// over the picture.
package struct InstanceNormalization: Sendable {
  /// How scale and shift depend on the style.
  package struct StyleMaps: Sendable {
    /// Embedding to one scale for each channel.
    package let scale: AffineMap
    /// Embedding to one shift for each channel.
    package let shift: AffineMap
  }

  /// Keeps the division finite on a flat channel; the same in every published network.
  package static let epsilon: Float = 1e-5

  /// What makes `scale (x - mean) / sqrt(variance + epsilon) + shift` of x.
  static func affine(mean: Double, variance: Double, scale: Float, shift: Float) -> (factor: Double, summand: Double) {
    let factor = Double(scale) / (variance + Double(epsilon)).squareRoot()
    return (factor, Double(shift) - mean * factor)
  }

  /// Nil for a scale of 1 and a shift of 0.
  package let style: StyleMaps?

  /// Numbers learnt.
  package var parameterCount: Int { style.map { $0.scale.parameterCount + $0.shift.parameterCount } ?? 0 }
  /// Multiplications for one z.
  package var macs: Int { style.map { $0.scale.macs + $0.shift.macs } ?? 0 }
}

/// One convolution with everything that is applied around it, in this order: upsampling, padding, convolution, bias,
/// normalisation, activation.
package struct Convolution: Sendable {
  /// The name of its tensors in the model file, without `.weight`.
  package let name: String
  /// Channels of the picture it reads.
  package let inputChannels: Int
  /// Everything but the weights.
  package let form: ConvolutionForm
  /// `[output][input][row][column]`; for a depthwise convolution `[channel][row][column]`.
  package let weight: [Float]
  /// `[output]`; nil in front of a normalisation, which would subtract it.
  package let bias: [Float]?
  /// Over each channel of the output.
  package let normalization: InstanceNormalization?

  /// Channels of the picture it writes.
  package var outputChannels: Int { form.channels }
  /// Kernel, stride and padding.
  package var window: Window { form.window }
  /// 1, or 2 to halve both sides of the picture.
  package var stride: Int { form.window.stride }
  /// Each channel is convolved with its own kernel and no other.
  package var isDepthwise: Bool { form.isDepthwise }
  /// Rows and columns are repeated this many times before the convolution.
  package var upsampling: Int { form.upsampling }
  /// Applied last.
  package var activation: Activation { form.activation }

  /// Whether the kernel has this side, and the same along both axes.
  package func hasKernel(_ side: Int) -> Bool { window.rows == side && window.columns == side }

  /// Numbers learnt.
  package var parameterCount: Int { weight.count + (bias?.count ?? 0) + (normalization?.parameterCount ?? 0) }

  /// Multiply-accumulates for an output of this size, with those of the styles' maps.
  package func macs(output: PictureShape) -> Int {
    weight.count * output.width * output.height + (normalization?.macs ?? 0)
  }
}

/// The style predictor F.
package struct PredictorPlan: Sendable {
  /// Width and height of the picture it sees.
  package let side: Int
  /// The layers up to the mean over the picture.
  package let graph: LayerGraph
  /// From the means to z.
  package let embedding: AffineMap

  /// Numbers learnt.
  package var parameterCount: Int { graph.parameterCount + embedding.parameterCount }
  /// Multiply-accumulates for one picture.
  package var macs: Int { graph.macs(width: side, height: side) + embedding.macs }
}

/// The style transformer T.
package struct TransformerPlan: Sendable {
  /// From the picture to the repainted picture.
  package let graph: LayerGraph

  /// Numbers learnt.
  package var parameterCount: Int { graph.parameterCount }
  /// Multiply-accumulates of the convolutions and of the styles' affine maps for one picture.
  package func macs(width: Int, height: Int) -> Int { graph.macs(width: width, height: height) }
}
