import CImagingKernels

extension PixelBuffer {
  /// Mirrors the picture left to right, in place.
  package func flipHorizontally() {
    for row in 0..<height {
      var left = base + row &* rowBytes
      var right = left + (width &- 1) &* 3
      while left < right {
        let pixel = (left[0], left[1], left[2])
        (left[0], left[1], left[2]) = (right[0], right[1], right[2])
        (right[0], right[1], right[2]) = pixel
        left += 3
        right -= 3
      }
    }
  }

  /// Multiplies every sample by `factor` and cuts off the fraction, in place: torchvision's `adjust_brightness`.
  ///
  /// - Parameter factor: 0 (black) and up; 1 changes nothing.
  package func adjustBrightness(factor: Double) {
    precondition(factor >= 0, "brightness factors are not negative")
    applyTable(ratio: Float(factor), addend: 0)
  }

  /// Moves every sample away from the picture's mean gray, or towards it, in place: torchvision's `adjust_contrast`.
  ///
  /// - Parameter factor: 0 (uniform gray) and up; 1 changes nothing.
  package func adjustContrast(factor: Double) {
    precondition(factor >= 0, "contrast factors are not negative")
    let count = width * height
    let mean = Float(imaging_gray_sum(base, count)) / Float(count)
    applyTable(ratio: Float(factor), addend: mean * Float(1 - factor))
  }

  /// Moves every pixel away from its gray value, or towards it, in place: torchvision's `adjust_saturation`.
  ///
  /// - Parameter factor: 0 (grayscale) and up; 1 changes nothing.
  package func adjustSaturation(factor: Double) {
    precondition(factor >= 0, "saturation factors are not negative")
    imaging_saturate(base, width * height, Float(factor), Float(1 - factor))
  }

  /// Turns the colour circle, in place: torchvision's `adjust_hue`.
  ///
  /// - Parameter shift: -0.5...0.5 of a full turn; 0 changes nothing.
  package func adjustHue(shift: Double) {
    precondition((-0.5...0.5).contains(shift), "hue shifts lie in -0.5...0.5")
    imaging_turn_hue(base, width * height, Float(shift))
  }

  /// Replaces every pixel by its gray value .2989 R + .587 G + .114 B without the fraction, in all three channels: torchvision's
  /// `rgb_to_grayscale`.
  package func convertToGrayscale() {
    imaging_grayscale(base, width * height)
  }

  /// Inverts every sample that is not below `threshold`, in place: torchvision's `solarize`.
  package func solarize(threshold: UInt8) {
    applyTable { $0 >= threshold ? 255 - $0 : $0 }
  }

  private func applyTable(ratio: Float, addend: Float) {
    applyTable { UInt8(min(max(addend.addingProduct(Float($0), ratio), 0), 255)) }
  }

  private func applyTable(_ entry: (UInt8) -> UInt8) {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 256) { table in
      for value in 0..<256 { table[value] = entry(UInt8(value)) }
      imaging_apply_table(base, byteCount, table.baseAddress)
    }
  }
}
