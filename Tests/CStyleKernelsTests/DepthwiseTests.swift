import CStyleKernels
import Testing

@Suite struct DepthwiseTests {
  /// Nine products, a bias and a few additions.
  private static let roundings = 13.0

  @Test("stride 1 over flat rows, with nothing beyond the border", arguments: KernelPath.all)
  func stride1(path: KernelPath) {
    for (width, rowStride, rows) in [
      (1, 1, 3), (3, 4, 5), (8, 8, 4), (17, 17, 3), (16, 19, 2), (33, 34, 11), (64, 64, 8),
    ] {
      var numbers = Numbers(seed: UInt64(width))
      let count = rows * rowStride + path.vector - 1
      let input = GuardedFloats(numbers.list(1 + 2 * rowStride + count + 1), misalignment: rows)
      let weights = numbers.list(9)
      let output = GuardedFloats(zeros: count, misalignment: width % 3)
      let left = (0...count).map { $0 % rowStride == 0 ? 0 : UInt32.max }
      let right = (0...count).map { $0 % rowStride == width - 1 ? 0 : UInt32.max }
      path.kernels.depthwise3_stride1_f32(
        input.start + 1, rowStride, rows, weights, left, right, 0.25, -0.5, 1, output.start)
      #expect(output.isUntouchedOutside)
      for row in 0..<rows {
        for column in 0..<width {
          var sum = 0.25
          var size = 0.25
          for i in 0..<3 {
            for j in -1...1 where (0..<width).contains(column + j) {
              let product =
                Double(input.start[1 + (row + i) * rowStride + column + j]) * Double(weights[3 * i + j + 1])
              sum += product
              size += abs(product)
            }
          }
          let value = Double(output.start[row * rowStride + column])
          #expect(abs(value - min(1, max(-0.5, sum))) <= Self.roundings * unitRoundoff * size)
        }
      }
    }
  }

  @Test("stride 2 over one row, with nothing beyond its end", arguments: KernelPath.all)
  func stride2(path: KernelPath) {
    for width in [1, 2, 7, 8, 16, 33] {
      var numbers = Numbers(seed: UInt64(width))
      let whole = (width + path.vector - 1) / path.vector * path.vector
      let rowStride = 2 * width
      let input = GuardedFloats(numbers.list(2 * rowStride + 2 * whole + 2), misalignment: width % 3)
      let weights = numbers.list(9)
      let output = GuardedFloats(zeros: whole, misalignment: width % 5)
      let right = (0..<whole).map { $0 == width - 1 ? 0 : UInt32.max }
      path.kernels.depthwise3_stride2_f32(input.start, rowStride, width, weights, right, -0.25, -1, 0.5, output.start)
      #expect(output.isUntouchedOutside)
      for column in 0..<width {
        var sum = -0.25
        var size = 0.25
        for i in 0..<3 {
          for j in 0..<3 where 2 * column + j < 2 * width {
            let product = Double(input.start[i * rowStride + 2 * column + j]) * Double(weights[3 * i + j])
            sum += product
            size += abs(product)
          }
        }
        let value = Double(output.start[column])
        #expect(abs(value - min(0.5, max(-1, sum))) <= Self.roundings * unitRoundoff * size)
      }
    }
  }

  @Test("sums of rows of any length", arguments: KernelPath.all)
  func sums(path: KernelPath) {
    for count in 1...70 {
      var numbers = Numbers(seed: UInt64(count))
      let stride = count + 3
      let input = GuardedFloats(numbers.list(4 * stride), misalignment: count % 4)
      let output = GuardedFloats(zeros: 4, misalignment: 1)
      path.kernels.sum_rows_f32(input.start, 4, stride, count, 0.125, output.start)
      #expect(output.isUntouchedOutside)
      for row in 0..<4 {
        let values = (0..<count).map { Double(input.start[row * stride + $0]) }
        let exact = values.reduce(0, +) * 0.125
        let size = values.reduce(0) { $0 + abs($1) } * 0.125
        #expect(abs(Double(output.start[row]) - exact) <= Double(count + 2) * unitRoundoff * size)
      }
    }
  }

  @Test("every path gives the same bits") func sameBits() {
    let (width, rowStride, rows) = (37, 40, 9)
    var numbers = Numbers(seed: 1)
    let contents = numbers.list((rows + 3) * rowStride)
    let weights = numbers.list(9)
    let left = (0..<(rows + 1) * rowStride).map { $0 % rowStride == 0 ? 0 : UInt32.max }
    let right = (0..<(rows + 1) * rowStride).map { $0 % rowStride == width - 1 ? 0 : UInt32.max }
    let results = KernelPath.all.map { path in
      let input = GuardedFloats(contents)
      let first = GuardedFloats(zeros: (rows + 1) * rowStride)
      path.kernels.depthwise3_stride1_f32(
        input.start + 1, rowStride, rows, weights, left, right, 0.25, -2, 2, first.start)
      let second = GuardedFloats(zeros: 32)
      path.kernels.depthwise3_stride2_f32(input.start, rowStride, 18, weights, right, -0.25, -2, 2, second.start)
      let sums = GuardedFloats(zeros: rows)
      path.kernels.sum_rows_f32(input.start, rows, rowStride, width, 0.1, sums.start)
      return Array(first.values[..<(rows * rowStride)]) + second.values[..<18] + sums.values
    }
    #expect(results.allSatisfy { $0 == results[0] })
  }
}
