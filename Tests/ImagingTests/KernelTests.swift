import CImagingKernels
import Testing

@Suite("Kernels")
struct KernelTests {
  @Test("resampling rows gives the same bytes on every processor", arguments: [4, 8, 12], 1...40)
  func resampleRows(taps: Int, width: Int) {
    let pixelCount = 61
    let overread = 4
    let rowBytes = pixelCount * 3 + overread
    let memory = (0..<(rowBytes * 4 + 3)).map { UInt8(truncatingIfNeeded: $0 &* $0 &* 31 &+ $0 &* 7) }
    let starts = (0..<width).map { Int32($0 * (pixelCount - taps) / max(width - 1, 1)) }
    let weights = (0..<(width * taps)).map { Int16(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 7) / Int16(taps / 2) }
    typealias Kernel = (
      UnsafePointer<UnsafePointer<UInt8>?>?, UnsafePointer<UnsafeMutablePointer<UInt8>?>?, Int,
      UnsafePointer<imaging_axis>?
    ) -> Void
    /// What a kernel makes of the four rows, and the guard bytes behind each of them.
    func result(of kernel: Kernel, misalignment: Int) -> [UInt8] {
      let targetBytes = width * 3 + 5
      var result = [UInt8](repeating: 0xA5, count: targetBytes * 4)
      starts.withUnsafeBufferPointer { starts in
        weights.withUnsafeBufferPointer { weights in
          memory.withUnsafeBufferPointer { memory in
            result.withUnsafeMutableBufferPointer { result in
              var axis = imaging_axis(
                starts: starts.baseAddress, weights: weights.baseAddress, taps: Int32(taps), precision: 14)
              let sources = (0..<4).map { Optional(memory.baseAddress! + misalignment + $0 * rowBytes) }
              let targets = (0..<4).map { Optional(result.baseAddress! + $0 * targetBytes) }
              kernel(sources, targets, width, &axis)
            }
          }
        }
      }
      return result
    }
    for misalignment in 0..<4 {
      let expected = result(of: imaging_resample_rows_portable, misalignment: misalignment)
      #expect(result(of: imaging_resample_rows, misalignment: misalignment) == expected)
      #expect(expected.suffix(5) == [0xA5, 0xA5, 0xA5, 0xA5, 0xA5])
    }
  }

  @Test("looking up a table gives the same bytes on every processor", arguments: 0...200)
  func applyTable(count: Int) {
    let table = (0..<256).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ 13) }
    let bytes = (0..<(count + 3)).map { UInt8(truncatingIfNeeded: $0 &* 59) }
    var expected = bytes
    var result = bytes
    expected.withUnsafeMutableBufferPointer { imaging_apply_table_portable($0.baseAddress! + 1, count, table) }
    result.withUnsafeMutableBufferPointer { imaging_apply_table($0.baseAddress! + 1, count, table) }
    #expect(result == expected)
    #expect(expected.first == bytes.first && expected.suffix(2) == bytes.suffix(2))
  }

  @Test(
    "blurring gives the same bytes on every processor", arguments: 1...9, [1, 3, 30, 31, 32, 33, 63, 64, 65, 96, 201])
  func blur(radius: Int, count: Int) {
    let weights = [Int16](unsafeUninitializedCapacity: radius + 1) { weights, used in
      for k in 1...radius { weights[k] = Int16(9000 / (k * radius)) }
      weights[0] = Int16(32768 - 2 * (1...radius).map { Int(weights[$0]) }.reduce(0, +))
      used = radius + 1
    }
    let padded = (0..<(count + 6 * radius)).map { UInt8(truncatingIfNeeded: $0 &* $0 &* 77 &+ $0) }
    func along(_ kernel: (UnsafePointer<UInt8>?, UnsafeMutablePointer<Int16>?, Int, UnsafePointer<Int16>?, Int) -> Void)
      -> [Int16]
    {
      var result = [Int16](repeating: -5, count: count + 1)
      kernel(padded, &result, count, weights, radius)
      return result
    }
    #expect(along(imaging_blur_row) == along(imaging_blur_row_portable))
    #expect(along(imaging_blur_row).last == -5)

    let samples = (0..<((2 * radius + 1) * count)).map { Int16(($0 &* 31_337) % 32641) }
    func across(
      _ kernel: (
        UnsafePointer<UnsafePointer<Int16>?>?, UnsafeMutablePointer<UInt8>?, Int, UnsafePointer<Int16>?, Int
      ) -> Void
    ) -> [UInt8] {
      var result = [UInt8](repeating: 0xA5, count: count + 1)
      samples.withUnsafeBufferPointer { samples in
        let rows = (0...(2 * radius)).map { Optional(samples.baseAddress! + $0 * count) }
        kernel(rows, &result, count, weights, radius)
      }
      return result
    }
    #expect(across(imaging_blur_column) == across(imaging_blur_column_portable))
    #expect(across(imaging_blur_column).last == 0xA5)
  }
}
