import CStyleKernels
import Foundation
import Testing

@Suite struct RowTests {
  @Test("affine rows, in place too", arguments: KernelPath.all)
  func affine(path: KernelPath) {
    for count in 1...70 {
      var numbers = Numbers(seed: UInt64(count))
      let contents = numbers.list(count)
      let row = GuardedFloats(contents, misalignment: count % 5)
      path.kernels.affine_f32(row.start, count, 1.5, -0.25, -0.5, row.start)
      let sum = GuardedFloats(contents, misalignment: count % 3)
      path.kernels.add_affine_f32(row.start, count, 0.5, 2, sum.start)
      #expect(row.isUntouchedOutside && sum.isUntouchedOutside)
      for index in 0..<count {
        let exact = max(-0.5, 1.5 * Double(contents[index]) - 0.25)
        #expect(abs(Double(row.start[index]) - exact) <= 2 * unitRoundoff * 1.75)
        let total = Double(contents[index]) + 0.5 * Double(row.start[index]) + 2
        #expect(abs(Double(sum.start[index]) - total) <= 3 * unitRoundoff * 4.5)
      }
    }
  }

  @Test("interleaving moves every element, in whole vectors", arguments: KernelPath.all)
  func interleave(path: KernelPath) {
    for (ways, kernel) in [(2, path.kernels.interleave2_f32!), (4, path.kernels.interleave4_f32!)] {
      for count in 1...50 {
        var numbers = Numbers(seed: UInt64(count))
        let whole = (count + path.vector - 1) / path.vector * path.vector
        let apart = GuardedFloats(numbers.list(ways * whole), misalignment: count % 4)
        // Rows in reverse order, to see that the offsets are obeyed.
        let offsets = (0..<ways).map { (ways - 1 - $0) * whole }
        let together = GuardedFloats(zeros: ways * whole, misalignment: count % 3)
        kernel(apart.start, offsets, count, 2, 0, -1, together.start)
        #expect(together.isUntouchedOutside)
        for t in 0..<count {
          for j in 0..<ways { #expect(together.start[ways * t + j] == max(-1, 2 * apart.start[offsets[j] + t])) }
        }
      }
    }
  }

  @Test("and the inverse moves it back", arguments: KernelPath.all)
  func deinterleave(path: KernelPath) {
    for (ways, kernel) in [(2, path.kernels.deinterleave2_f32!), (4, path.kernels.deinterleave4_f32!)] {
      for count in 1...50 {
        var numbers = Numbers(seed: UInt64(count))
        let whole = (count + path.vector - 1) / path.vector * path.vector
        let together = GuardedFloats(numbers.list(ways * whole), misalignment: count % 4)
        let offsets = (0..<ways).map { (ways - 1 - $0) * whole }
        let apart = GuardedFloats(zeros: ways * whole, misalignment: count % 3)
        kernel(together.start, count, apart.start, offsets)
        #expect(apart.isUntouchedOutside)
        for t in 0..<count {
          for j in 0..<ways { #expect(apart.start[offsets[j] + t] == together.start[ways * t + j]) }
        }
      }
    }
  }

  @Test("every byte becomes its 255th part, correctly rounded", arguments: KernelPath.all)
  func pixels(path: KernelPath) {
    let bytes = (0..<768).map { (index: Int) -> UInt8 in UInt8(truncatingIfNeeded: index / 3 * [1, 255, 7][index % 3]) }
    for count in [1, 5, 16, 33, 256] {
      let rows = (0..<3).map { GuardedFloats(zeros: count, misalignment: $0) }
      path.kernels.pixels_to_rows_f32(bytes, count, rows[0].start, rows[1].start, rows[2].start)
      for channel in 0..<3 {
        #expect(rows[channel].isUntouchedOutside)
        for x in 0..<count { #expect(rows[channel].start[x] == Float(bytes[3 * x + channel]) / 255) }
      }
    }
  }

  @Test("a blend is rounded to the nearest byte, and no number is black", arguments: KernelPath.all)
  func blend(path: KernelPath) {
    for count in [1, 7, 16, 61, 300] {
      for beta in [Float(0.1), 0.25, 1] {
        var numbers = Numbers(seed: UInt64(count))
        let stylized = (0..<count).map { $0 == 5 ? Float.nan : numbers.next() * 0.8 + 0.5 }
        let before = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37) }
        var pixels = before + [99]
        path.kernels.blend_bytes_f32(stylized, count, beta, &pixels)
        #expect(pixels[count] == 99)
        for index in 0..<count {
          let old = Double(before[index])
          let exact = (1 - Double(beta)) * old + Double(beta) * 255 * Double(stylized[index])
          let wanted = exact.isNaN ? 0 : min(255, max(0, exact))
          #expect(abs(Double(pixels[index]) - wanted) <= 0.5 + 1e-4)
        }
      }
    }
  }

  @Test("sigmoid within 2e-7 from end to end", arguments: KernelPath.all)
  func sigmoid(path: KernelPath) {
    for count in [1, 3, 16, 45, 400] {
      let rows = (0..<3).map { channel in
        GuardedFloats(
          (0..<count).map { x in
            x % 97 == 0 ? [Float(-1000), 1000, 0][channel] : Float(x * 3 + channel - 600) * 0.0317
          }, misalignment: channel)
      }
      let pixels = GuardedFloats(zeros: 3 * count, misalignment: 1)
      path.kernels.sigmoid_rows_to_pixels_f32(rows[0].start, rows[1].start, rows[2].start, count, pixels.start)
      #expect(pixels.isUntouchedOutside)
      for x in 0..<count {
        for channel in 0..<3 {
          let exact = 1 / (1 + exp(-Double(rows[channel].start[x])))
          #expect(abs(Double(pixels.start[3 * x + channel]) - exact) <= 2e-7)
        }
      }
    }
  }

  @Test("the selected kernels are one of the paths this CPU has")
  func selection() throws {
    let selected = try #require(style_kernels_selected())
    #expect(KernelPath.all.map(\.kernels.path).contains(selected.pointee.path))
    if let wanted = ProcessInfo.processInfo.environment["SASSL_CPU"], KernelPath.all.map(\.description).contains(wanted)
    {
      #expect(String(cString: selected.pointee.name) == wanted)
    }
  }
}
