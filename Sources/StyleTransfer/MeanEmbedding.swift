import CStyleKernels

/// The end of a predictor: the mean of each channel over the picture, and the linear map to z.
struct MeanEmbedding: Sendable {
  private let kernels: style_kernels
  private let map: AffineMap
  /// `[channels][embedding, rounded up]`
  private let weights: AlignedFloats
  private let bias: AlignedFloats

  /// - Parameters:
  ///   - map: from the means to z.
  ///   - kernels: the path to run on.
  init(_ map: AffineMap, kernels: style_kernels) {
    self.map = map
    self.kernels = kernels
    let columns = roundUp(map.outputs, toMultipleOf: 16)
    weights = AlignedFloats(count: map.inputs * columns) { matrix in
      for row in 0..<map.outputs {
        for column in 0..<map.inputs { matrix[column * columns + row] = map.weight[row * map.inputs + column] }
      }
    }
    bias = AlignedFloats(count: columns) { bias in
      for row in 0..<map.outputs { bias[row] = map.bias[row] }
    }
  }

  /// Floats that ``apply(to:planeStride:count:scratch:into:)`` works in.
  static func scratchFloats(_ map: AffineMap) -> Int {
    roundUp(map.inputs, toMultipleOf: 16) + roundUp(map.outputs, toMultipleOf: 16)
  }

  /// - Parameters:
  ///   - planes: one for each channel, `planeStride` floats apart, of `count` numbers.
  ///   - embedding: receives z.
  func apply(
    to planes: UnsafePointer<Float>, planeStride: Int, count: Int, scratch means: UnsafeMutablePointer<Float>,
    into embedding: UnsafeMutablePointer<Float>
  ) {
    let channels = map.inputs
    let values = means + roundUp(channels, toMultipleOf: 16)
    kernels.sum_rows_f32(planes, channels, planeStride, count, 1 / Float(count), means)
    let columns = bias.count
    withUnsafeTemporaryAllocation(of: Int.self, capacity: channels) { offsets in
      for channel in 0..<channels { offsets[channel] = channel * columns }
      var epilogue = style_epilogue(bias: nil, residual: bias.start, low: -.infinity, high: .infinity)
      kernels.gemm_fused_f32(
        means, 1, offsets.baseAddress!, channels, weights.start, columns, values, columns, &epilogue)
    }
    embedding.update(from: values, count: map.outputs)
  }
}
