import CStyleKernels

/// The scales and shifts of every conditional normalisation for a z, in one matrix product; the same on every processor.
struct StyleParameters: Sendable {
  private let kernels: style_integer_kernels
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
  init(_ normalizations: [InstanceNormalization.StyleMaps], embeddingCount: Int) {
    kernels = style_integer_kernels_selected().pointee
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
    kernels.affine_map(embedding, embeddingCount, weights.start, biases.start, count, values)
  }

  /// What ``evaluate(_:into:)`` wrote for one channel of one normalisation.
  func values(_ values: UnsafePointer<Float>, normalization: Int, channel: Int) -> (scale: Float, shift: Float) {
    let first = offsets[normalization] + channel
    return (values[first], values[first + channels[normalization]])
  }
}
