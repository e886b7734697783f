import CStyleKernels
import Testing

/// A matrix product in double precision, with the bound that float32 sums in any order keep:
/// `(depth + extra) u sum |w||x|`, u the unit roundoff (Higham, gamma_n to first order, with 1 % for the rest).
private func expectProduct(
  _ path: KernelPath, outputs: Int, depth: Int, vectors: Int, misalignment: Int, epilogue: Bool, seed: UInt64
) {
  var numbers = Numbers(seed: seed)
  let count = vectors * path.vector
  let matrix = numbers.list(outputs * depth)
  // Rows of the input overlap each other and are in no order.
  let input = GuardedFloats(numbers.list(count + 37 * 3), misalignment: misalignment)
  let offsets = (0..<depth).map { _ in numbers.index(below: 37 * 3) }
  let stride = count + 5
  let output = GuardedFloats(zeros: outputs * stride, misalignment: misalignment)
  let bias = numbers.list(outputs)
  let residual = GuardedFloats(numbers.list(outputs * stride), misalignment: 3)
  let packed = GuardedFloats(zeros: outputs * depth, misalignment: 1)
  path.kernels.pack_rows_f32(matrix, outputs, depth, packed.start)
  bias.withUnsafeBufferPointer { bias in
    var ending = style_epilogue(bias: bias.baseAddress, residual: residual.start, low: -0.5, high: 0.75)
    withUnsafePointer(to: &ending) {
      path.kernels.gemm_f32(
        packed.start, outputs, offsets, depth, input.start, count, output.start, stride, epilogue ? $0 : nil)
    }
  }
  #expect(output.isUntouchedOutside && packed.isUntouchedOutside)
  let result = output.values
  var worst = 0.0
  for row in 0..<outputs {
    for slot in 0..<count {
      var sum = 0.0
      var size = 0.0
      for d in 0..<depth {
        let product = Double(matrix[row * depth + d]) * Double(input.start[offsets[d] + slot])
        sum += product
        size += abs(product)
      }
      if epilogue {
        size += abs(Double(bias[row]))
        sum = min(0.75, max(-0.5, sum + Double(bias[row])))
        sum += Double(residual.start[row * stride + slot])
        size += abs(sum)
      }
      let bound = 1.01 * Double(depth + 2) * unitRoundoff * size
      worst = max(worst, abs(Double(result[row * stride + slot]) - sum) / max(bound, 1e-30))
    }
    for slot in count..<stride where row * stride + slot < result.count {
      #expect(result[row * stride + slot] == 0, "between rows")
    }
  }
  #expect(worst <= 1, "\(path) \(outputs)x\(depth)x\(count): error is \(worst) of its bound")
}

@Suite struct GemmTests {
  @Test("a product keeps the bound of float32 sums, for every number of rows", arguments: KernelPath.all)
  func everyRowCount(path: KernelPath) {
    for outputs in 1...25 {
      expectProduct(
        path, outputs: outputs, depth: 9, vectors: 4, misalignment: outputs % 4, epilogue: false, seed: UInt64(outputs))
    }
  }

  @Test("and for every number of vectors", arguments: KernelPath.all)
  func everyVectorCount(path: KernelPath) {
    for vectors in 1...20 {
      for outputs in [3, 4, 15] {
        expectProduct(
          path, outputs: outputs, depth: 5, vectors: vectors, misalignment: vectors % 3, epilogue: false,
          seed: UInt64(100 + vectors))
      }
    }
  }

  @Test("and for shallow and deep sums", arguments: KernelPath.all)
  func depths(path: KernelPath) {
    for depth in [1, 2, 27, 128, 961] {
      expectProduct(
        path, outputs: 11, depth: depth, vectors: 3, misalignment: 1, epilogue: false, seed: UInt64(200 + depth))
    }
  }

  @Test("bias, clamping and residual are applied in that order", arguments: KernelPath.all)
  func epilogue(path: KernelPath) {
    for outputs in 1...17 {
      expectProduct(
        path, outputs: outputs, depth: 7, vectors: 7, misalignment: 2, epilogue: true, seed: UInt64(300 + outputs))
    }
  }

  @Test("the same arguments give the same bits, wherever they lie in memory", arguments: KernelPath.all)
  func placement(path: KernelPath) {
    var numbers = Numbers(seed: 5)
    let count = 5 * path.vector
    let matrix = numbers.list(13 * 31)
    let contents = numbers.list(31 * count)
    let offsets = (0..<31).map { $0 * count }
    let results = [0, 1, 7].map { misalignment in
      let packed = GuardedFloats(zeros: matrix.count, misalignment: misalignment)
      let input = GuardedFloats(contents, misalignment: misalignment)
      let output = GuardedFloats(zeros: 13 * count, misalignment: misalignment)
      path.kernels.pack_rows_f32(matrix, 13, 31, packed.start)
      path.kernels.gemm_f32(packed.start, 13, offsets, 31, input.start, count, output.start, count, nil)
      return output.values
    }
    #expect(results[0] == results[1] && results[0] == results[2])
  }

  @Test("fused sums round once in each step, to the bit, on every path", arguments: KernelPath.all)
  func fused(path: KernelPath) {
    var numbers = Numbers(seed: 6)
    let count = 48
    for outputs in 1...25 {
      for depth in [2, 9, 40] {
        let matrix = numbers.list(outputs * depth)
        let contents = numbers.list(depth * count)
        var expected = [Float](repeating: 0, count: outputs * count)
        for (index, _) in expected.enumerated() {
          for d in 0..<depth {
            expected[index].addProduct(matrix[index / count * depth + d], contents[d * count + index % count])
          }
        }
        #expect(Self.fusedProduct(path, matrix, outputs: outputs, contents, count: count) == expected)
      }
    }
  }

  @Test("also where a double cannot tell the exact sum from the middle of two floats", arguments: KernelPath.all)
  func fusedTies(path: KernelPath) {
    // 1 + n / 2^23, plus a product that is a little less or more than half of the last bit: less than 2^-53 of it.
    let count = 96
    for sign: Float in [-1, 1] {
      let bases = (0..<count).map { sign * (1 + Float($0) * 0x1p-23) }
      let factors = (0..<count).map { 0x1p-12 * (1 + Float($0 % 7 + 1) * 0x1p-23) }
      for other: Float in [1 - 0x1p-23, 1 - 0x1p-22, 1 + 0x1p-23, 1] {
        for product in [-0x1p-12 * other, 0x1p-12 * other] {
          let expected = zip(bases, factors).map { $0.addingProduct(product, $1) }
          #expect(Self.fusedProduct(path, [1, product], outputs: 1, bases + factors, count: count) == expected)
        }
      }
    }
  }

  private static func fusedProduct(
    _ path: KernelPath, _ matrix: [Float], outputs: Int, _ contents: [Float], count: Int
  ) -> [Float] {
    let depth = matrix.count / outputs
    let packed = GuardedFloats(zeros: matrix.count, misalignment: 1)
    let input = GuardedFloats(contents, misalignment: 2)
    let output = GuardedFloats(zeros: outputs * count, misalignment: 3)
    path.kernels.pack_rows_f32(matrix, outputs, depth, packed.start)
    path.kernels.gemm_fused_f32(
      packed.start, outputs, (0..<depth).map { $0 * count }, depth, input.start, count, output.start, count, nil)
    #expect(output.isUntouchedOutside && packed.isUntouchedOutside)
    return output.values
  }
}
