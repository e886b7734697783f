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
}
