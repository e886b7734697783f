import CStyleKernels

/// The scales and shifts of every conditional normalisation for a z, in one matrix product.
struct StyleParameters: Sendable {
  private let kernels: style_kernels
  /// `[embedding][count]`: for each normalisation its scales, then its shifts.
  private let weights: AlignedFloats
  private let biases: AlignedFloats
  private let offsets: [Int]
  private let channels: [Int]
  private let embeddingCount: Int
  /// Floats that ``evaluate(_:into:)`` writes.
  let count: Int

  /// - Parameters:
  ///   - normalizations: in the order of their use.
  ///   - embeddingCount: length of z.
  ///   - kernels: the path to run on.
  init(_ normalizations: [InstanceNormalization.StyleMaps], embeddingCount: Int, kernels: style_kernels) {
    self.kernels = kernels
    self.embeddingCount = embeddingCount
    let maps = normalizations.flatMap { [$0.scale, $0.shift] }
    var offsets: [Int] = []
    var total = 0
    for normalization in normalizations {
      offsets.append(total)
      total += 2 * normalization.scale.outputs
    }
    self.offsets = offsets
    channels = normalizations.map(\.scale.outputs)
    let count = roundUp(max(total, 1), toMultipleOf: 16)
    self.count = count
    weights = AlignedFloats(count: embeddingCount * count) { matrix in
      var column = 0
      for map in maps {
        for output in 0..<map.outputs {
          for input in 0..<embeddingCount {
            matrix[input * count + column] = map.weight[output * embeddingCount + input]
          }
          column += 1
        }
      }
    }
    biases = AlignedFloats(count: count) { biases in
      for (column, bias) in maps.flatMap(\.bias).enumerated() { biases[column] = bias }
    }
  }

  /// Writes ``count`` numbers.
  func evaluate(_ embedding: UnsafePointer<Float>, into values: UnsafeMutablePointer<Float>) {
    withUnsafeTemporaryAllocation(of: Int.self, capacity: embeddingCount) { rows in
      for row in 0..<embeddingCount { rows[row] = row * count }
      var epilogue = style_epilogue(bias: nil, residual: biases.start, low: -.infinity, high: .infinity)
      kernels.gemm_f32(
        embedding, 1, rows.baseAddress!, embeddingCount, weights.start, count, values, count, &epilogue)
    }
  }

  /// What ``evaluate(_:into:)`` wrote for one channel of one normalisation.
  func values(_ values: UnsafePointer<Float>, normalization: Int, channel: Int) -> (scale: Float, shift: Float) {
    let first = offsets[normalization] + channel
    return (values[first], values[first + channels[normalization]])
  }
}
