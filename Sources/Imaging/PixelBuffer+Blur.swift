import CImagingKernels
import FoundationEssentials
import Glibc

extension PixelBuffer {
  /// Blurs the picture in place with a Gaussian of standard deviation `sigma`, cut to `kernelSize` pixels, the picture reflected at
  /// its edges: torchvision's `gaussian_blur`.
  ///
  /// - Parameters:
  ///   - kernelSize: width and height of the kernel in pixels; odd, and less than twice either side.
  ///   - sigma: in pixels, more than 0.
  package func blur(kernelSize: Int, sigma: Double, workspace: PixelWorkspace) {
    precondition(kernelSize > 0 && kernelSize % 2 == 1, "a blur kernel has an odd number of pixels")
    precondition(sigma > 0, "a blur needs a positive sigma")
    precondition(kernelSize / 2 < min(width, height), "a blur kernel must be smaller than twice the picture")
    let weights = Self.blurWeights(kernelSize: kernelSize, sigma: sigma)
    let radius = weights.count - 1
    guard radius > 0 else { return }
    weights.withUnsafeBufferPointer { blur(weights: $0.baseAddress!, radius: radius, workspace: workspace) }
  }

  /// One side of the kernel, centre first, as 15-bit fractions; weights that round to nothing are left away.
  private static func blurWeights(kernelSize: Int, sigma: Double) -> [Int16] {
    // torchvision samples the bell at kernelSize points of -limit...limit, not at whole pixels.
    let limit = Double(kernelSize - 1) / (2 * 2.0.squareRoot())
    let step = kernelSize > 1 ? 2 * limit / Double(kernelSize - 1) : 0
    let side = (0...(kernelSize / 2)).map { exp(-(Double($0) * step / sigma) * (Double($0) * step / sigma)) }
    let total = side[0] + 2 * side.dropFirst().reduce(0, +)
    let one = 32768
    var weights = side.dropFirst().map { Int(($0 / total * Double(one)).rounded()) }
    while weights.last == 0 { weights.removeLast() }
    guard !weights.isEmpty else { return [0] }
    // The centre takes what rounding left over, so that a uniform picture stays as it is.
    let centre = one - 2 * weights.reduce(0, +)
    return ([centre] + weights).map { Int16($0) }
  }

  private func blur(weights: UnsafePointer<Int16>, radius: Int, workspace: PixelWorkspace) {
    let samples = rowBytes
    let rowsKept = 2 * radius + 1
    let padded = workspace.paddedRow.demand(samples + 6 * radius)
    let ring = workspace.blurredRows.demand(rowsKept * samples)
    let window = workspace.rowPointers.demand(rowsKept)

    /// Blurs row `row` along itself into its place in the ring.
    func blurAlong(_ row: Int) {
      let source = base + row * samples
      (padded + 3 * radius).update(from: source, count: samples)
      for distance in 1...radius {
        let left = padded + 3 * (radius - distance)
        let right = padded + 3 * (radius + width - 1 + distance)
        for channel in 0..<3 {
          left[channel] = source[3 * distance + channel]
          right[channel] = source[3 * (width - 1 - distance) + channel]
        }
      }
      imaging_blur_row(padded, ring + row % rowsKept * samples, samples, weights, radius)
    }

    // A row is overwritten only after it is in the ring, and stays in the ring as long as a later row or a reflection needs it.
    for row in 0..<min(radius, height) { blurAlong(row) }
    for row in 0..<height {
      if row + radius < height { blurAlong(row + radius) }
      for offset in -radius...radius {
        var neighbour = abs(row + offset)
        if neighbour >= height { neighbour = 2 * (height - 1) - neighbour }
        window[radius + offset] = UnsafePointer(ring + neighbour % rowsKept * samples)
      }
      imaging_blur_column(window, base + row * samples, samples, weights, radius)
    }
  }
}
