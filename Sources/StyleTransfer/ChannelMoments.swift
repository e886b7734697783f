import CStyleKernels

/// Sum and sum of squares of a channel, for its normalisation.
struct ChannelMoments {
  /// Of every number.
  var sum = 0.0
  /// Of every number's square.
  var squares = 0.0
  /// How many numbers there are.
  let count: Int

  /// Moments that are known.
  init(sum: Double, squares: Double, count: Int) {
    self.sum = sum
    self.squares = squares
    self.count = count
  }

  /// The moments of a plane's rows: `count` floats of each.
  init(_ plane: UnsafePointer<Float>, rows: Int, rowStride: Int, count: Int, _ kernels: style_kernels) {
    self.count = rows * count
    withUnsafeTemporaryAllocation(of: Double.self, capacity: 2) { sums in
      sums.initialize(repeating: 0)
      for row in 0..<rows { kernels.add_moments_f32(plane + row * rowStride, count, sums.baseAddress!) }
      (sum, squares) = (sums[0], sums[1])
    }
  }

  /// What makes `scale (x - mean) / sqrt(variance + epsilon) + shift` of x, as a factor and a summand.
  func affine(scale: Float, shift: Float) -> (scale: Float, shift: Float) {
    let mean = sum / Double(count)
    let variance = max(0, squares / Double(count) - mean * mean)
    let affine = InstanceNormalization.affine(mean: mean, variance: variance, scale: scale, shift: shift)
    return (Float(affine.factor), Float(affine.summand))
  }
}
