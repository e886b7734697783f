import CImagingKernels
import Testing

@Suite("Kernels")
struct KernelTests {
  @Test("resampling a row gives the same bytes on every processor", arguments: [4, 8, 12], 1...40)
  func resampleRow(taps: Int, width: Int) {
    let pixelCount = 61
    let memory = (0..<(pixelCount * 3 + 4 + 8)).map { UInt8(truncatingIfNeeded: $0 &* $0 &* 31 &+ $0 &* 7) }
    let starts = (0..<width).map { Int32($0 * (pixelCount - taps) / max(width - 1, 1)) }
    let weights = (0..<(width * taps)).map { Int16(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 7) / Int16(taps / 2) }
    for misalignment in 0..<4 {
      var expected = [UInt8](repeating: 0, count: width * 3)
      var result = expected
      starts.withUnsafeBufferPointer { starts in
        weights.withUnsafeBufferPointer { weights in
          memory.withUnsafeBufferPointer { memory in
            var axis = imaging_axis(
              starts: starts.baseAddress, weights: weights.baseAddress, taps: Int32(taps), precision: 14)
            imaging_resample_row_portable(memory.baseAddress! + misalignment, &expected, width, &axis)
            imaging_resample_row(memory.baseAddress! + misalignment, &result, width, &axis)
          }
        }
      }
      #expect(result == expected)
    }
  }
}
