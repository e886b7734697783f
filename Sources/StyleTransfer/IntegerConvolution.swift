import CStyleKernels

/// A 3x3 convolution in whole numbers: its kernels in the Winograd domain, and the steps they are counted in.
///
/// What comes in are levels: whole numbers of at most `STYLE_LEVELS`, times a step. Each output channel has a step of its own for
/// its weights, as small as the 32 bits of its sums allow: those of 32 channels are then about eleven bits fine.
package struct IntegerConvolution: Sendable {
  /// Channels of the picture it reads: a multiple of ``channelMultiple``.
  package let inputChannels: Int
  /// Channels of the picture it writes: a multiple of ``channelMultiple``.
  package let outputChannels: Int
  /// For each output channel, what one unit of a weight is.
  package let weightSteps: [Double]
  private let weights: AlignedNumbers<Int16>

  /// Channels that a vector register holds.
  package static let channelMultiple = 16
  /// With more, the weights would be too coarse: their sums must fit into 32 bits.
  package static let mostChannels = 128

  /// G of Winograd's F(4, 3) with the points 0, ±1, ±2 and ∞, its last row a quarter of the usual: so the weights of all points
  /// are about as large.
  private static let transform: [6 of [3 of Double]] = [
    [1.0 / 4, 0, 0],
    [-1.0 / 6, -1.0 / 6, -1.0 / 6],
    [-1.0 / 6, 1.0 / 6, -1.0 / 6],
    [1.0 / 24, 1.0 / 12, 1.0 / 6],
    [1.0 / 24, -1.0 / 12, 1.0 / 6],
    [0, 0, 1.0 / 4],
  ]

  /// - Parameter weight: `[output][input][3][3]`.
  package init(inputChannels: Int, outputChannels: Int, weight: [Float]) {
    precondition(inputChannels % Self.channelMultiple == 0 && outputChannels % Self.channelMultiple == 0)
    precondition(weight.count == outputChannels * inputChannels * 9)
    self.inputChannels = inputChannels
    self.outputChannels = outputChannels
    let points = Int(STYLE_TILE_POINTS)
    var transformed = [Double](repeating: 0, count: points * inputChannels)
    var steps: [Double] = []
    weights = AlignedNumbers(count: points * inputChannels * outputChannels) { whole in
      for output in 0..<outputChannels {
        for input in 0..<inputChannels {
          Self.transform(weight, at: (output * inputChannels + input) * 9) { point, value in
            transformed[point * inputChannels + input] = value
          }
        }
        var step = 0.0
        for point in 0..<points {
          var sum = 0.0
          for input in 0..<inputChannels {
            let size = abs(transformed[point * inputChannels + input])
            sum += size
            step = max(step, size / Double(Int16.max))
          }
          // Rounding adds half a unit to each weight at most.
          step = max(step, sum / Double(Int(STYLE_WEIGHT_SUM) - inputChannels / 2))
        }
        steps.append(step)
        for point in 0..<points {
          for input in 0..<inputChannels {
            let place = ((point * inputChannels / 2 + input / 2) * outputChannels + output) * 2 + input % 2
            // A step of 0 or one that is not a number has no weights to count.
            let units = step > 0 ? (transformed[point * inputChannels + input] / step).rounded(.toNearestOrEven) : 0
            whole[place] = Int16(exactly: units) ?? 0
          }
        }
      }
    }
    weightSteps = steps
  }

  /// Calls `use` with each number of G g Gᵀ.
  private static func transform(_ weight: [Float], at first: Int, use: (Int, Double) -> Void) {
    for row in 0..<6 {
      for column in 0..<6 {
        var sum = 0.0
        for i in 0..<3 {
          for j in 0..<3 {
            sum += transform[row][i] * Double(weight[first + 3 * i + j]) * transform[column][j]
          }
        }
        use(row * 6 + column, sum)
      }
    }
  }

  /// Bytes that ``run(_:width:height:into:statistics:scratch:kernels:)`` needs.
  package var scratchBytes: Int { style_convolution_scratch(inputChannels, outputChannels) }

  /// See `style_integer_kernels.convolve`.
  package func run(
    _ levels: UnsafePointer<Int16>, width: Int, height: Int, into sums: UnsafeMutablePointer<Float>,
    statistics: style_statistics, scratch: UnsafeMutableRawPointer, kernels: style_integer_kernels
  ) {
    withUnsafePointer(to: statistics) {
      kernels.convolve(levels, width, height, inputChannels, weights.start, outputChannels, sums, $0, scratch)
    }
  }
}
