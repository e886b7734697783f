import CStyleKernels

/// A 3x3 convolution with stride 2, and bias and clamping unless it is normalised, as one matrix product on phase planes of step 2: each tap is a plane
/// at an offset.
package struct StridedConvolution: Sendable {
  package let layer: Convolution
  private let kernels: style_kernels
  private let weights: AlignedFloats

  /// - Parameters:
  ///   - layer: 3x3, stride 2.
  ///   - kernels: the path to run on.
  package init(_ layer: Convolution, kernels: style_kernels) {
    precondition(layer.hasKernel(3) && layer.stride == 2)
    self.layer = layer
    self.kernels = kernels
    let depth = layer.inputChannels * 9
    weights = AlignedFloats(count: layer.weight.count) { packed in
      layer.weight.withUnsafeBufferPointer {
        kernels.pack_rows_f32($0.baseAddress!, layer.outputChannels, depth, packed)
      }
    }
  }

  /// Convolves.
  ///
  /// - Parameters:
  ///   - input: phase planes of step 2, bordered as the layer wants it.
  ///   - output: `[output channel][planeStride]`; rows are `layout.rowStride` apart.
  ///   - rows: output rows to compute.
  package func run(
    _ input: UnsafePointer<Float>, layout: PhaseLayout, into output: UnsafeMutablePointer<Float>, planeStride: Int,
    rows: Int
  ) {
    let depth = layer.inputChannels * 9
    withUnsafeTemporaryAllocation(of: Int.self, capacity: depth) { offsets in
      for index in 0..<depth {
        let row = index % 9 / 3
        let column = index % 3
        offsets[index] =
          index / 9 * layout.channelStride + (row % 2 * 2 + column % 2) * layout.planeStride
          + row / 2 * layout.rowStride + column / 2
      }
      let bias = layer.bias ?? [Float](repeating: 0, count: layer.outputChannels)
      // What is normalised is clamped afterwards.
      let bounds = layer.normalization == nil ? layer.activation.bounds : -.infinity ... .infinity
      bias.withUnsafeBufferPointer { bias in
        var epilogue = style_epilogue(
          bias: bias.baseAddress, residual: nil, low: bounds.lowerBound, high: bounds.upperBound)
        kernels.gemm_fused_f32(
          weights.start, layer.outputChannels, offsets.baseAddress!, depth, input,
          roundUp(rows * layout.rowStride, toMultipleOf: kernels.vector_length), output, planeStride, &epilogue)
      }
    }
  }
}

extension Activation {
  /// What the activation clamps to; the sigmoid is not a clamp and is applied elsewhere.
  package var bounds: ClosedRange<Float> {
    switch self {
    case .identity, .sigmoid: -.infinity ... .infinity
    case .relu: 0 ... .infinity
    case .relu6: 0...6
    }
  }
}
