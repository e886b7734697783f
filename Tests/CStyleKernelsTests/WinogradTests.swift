import CStyleKernels
import Testing

/// The three matrices of a Toom-Cook convolution, built from its points.
private struct ToomCook {
  let shape: style_winograd
  /// Outputs of one tile, and how far tiles are apart.
  let step: Int
  let taps: Int
  let points: [Double]
  var alpha: Int { step + taps - 1 }

  static let all = [
    ToomCook(shape: STYLE_WINOGRAD_4_2, step: 4, taps: 2, points: [0, 1, -1, 2]),
    ToomCook(shape: STYLE_WINOGRAD_4_3, step: 4, taps: 3, points: [0, 1, -1, 2, -2]),
    ToomCook(shape: STYLE_WINOGRAD_4_5, step: 4, taps: 5, points: [0, 1, -1, 2, -2, 0.5, -0.5]),
  ]

  /// Coefficients of the product of (x - root), lowest first.
  private func polynomial(_ roots: [Double]) -> [Double] {
    roots.reduce([1.0]) { product, root in
      (0...product.count).map { power in
        (power > 0 ? product[power - 1] : 0) - (power < product.count ? root * product[power] : 0)
      }
    }
  }

  private func without(_ index: Int) -> [Double] { points.enumerated().filter { $0.offset != index }.map(\.element) }

  /// `[alpha][alpha]`
  var input: [[Double]] {
    points.indices.map { polynomial(without($0)) + [0] } + [polynomial(points)]
  }
  /// `[alpha][taps]`
  var weights: [[Double]] {
    points.indices.map { index in
      let scale = without(index).reduce(1) { $0 * (points[index] - $1) }
      return powers(of: points[index], taps).map { $0 / scale }
    } + [(0..<taps).map { $0 == taps - 1 ? 1 : 0 }]
  }
  /// `[step][alpha]`
  var output: [[Double]] {
    (0..<step).map { row in points.map { powers(of: $0, step)[row] } + [row == step - 1 ? 1 : 0] }
  }

  private func powers(of point: Double, _ count: Int) -> [Double] {
    (0..<count).reduce(into: []) { list, power in list.append(power == 0 ? 1 : list[power - 1] * point) }
  }
}

private func product(_ a: [[Double]], _ b: [[Double]]) -> [[Double]] {
  a.map { row in b[0].indices.map { column in row.indices.reduce(0) { $0 + row[$1] * b[$1][column] } } }
}

private func transposed(_ a: [[Double]]) -> [[Double]] { a[0].indices.map { column in a.map { $0[column] } } }

private func sizes(_ a: [[Double]]) -> [[Double]] { a.map { $0.map(abs) } }

/// Roundings in one transform of one direction: at most 7 additions and multiplications in a row, two directions.
private let roundings = 14.0

@Suite struct WinogradTests {
  @Test("the matrices of the tests do convolve")
  func matrices() {
    var numbers = Numbers(seed: 1)
    for cook in ToomCook.all {
      let d = (0..<cook.alpha).map { _ in (0..<cook.alpha).map { _ in Double(numbers.next()) } }
      let g = (0..<cook.taps).map { _ in (0..<cook.taps).map { _ in Double(numbers.next()) } }
      let u = product(product(cook.weights, g), transposed(cook.weights))
      let v = product(product(cook.input, d), transposed(cook.input))
      let m = u.indices.map { i in u.indices.map { j in u[i][j] * v[i][j] } }
      let y = product(product(cook.output, m), transposed(cook.output))
      for i in 0..<cook.step {
        for j in 0..<cook.step {
          var direct = 0.0
          for a in 0..<cook.taps { for b in 0..<cook.taps { direct += g[a][b] * d[i + a][j + b] } }
          #expect(abs(direct - y[i][j]) < 1e-12)
        }
      }
    }
  }

  @Test("input tiles become points within the bound of the arithmetic", arguments: KernelPath.all)
  func input(path: KernelPath) {
    for cook in ToomCook.all {
      for (columns, rows, misalignment) in [(1, 1, 0), (5, 3, 1), (7, 6, 2), (17, 2, 3)] {
        var numbers = Numbers(seed: UInt64(columns))
        let stride = columns + 1
        let count = (rows * stride + path.vector - 1) / path.vector * path.vector
        let plane = count + stride + 2
        let source = GuardedFloats(numbers.list(cook.step * cook.step * plane), misalignment: misalignment)
        let points = GuardedFloats(zeros: cook.alpha * cook.alpha * count, misalignment: misalignment)
        path.kernels.winograd_input_f32(cook.shape, source.start, plane, stride, count, points.start, count)
        #expect(points.isUntouchedOutside)
        for slot in 0..<count {
          let d = (0..<cook.alpha).map { i in
            (0..<cook.alpha).map { j in
              Double(
                source.start[
                  (i % cook.step * cook.step + j % cook.step) * plane + slot + i / cook.step * stride + j / cook.step])
            }
          }
          let exact = product(product(cook.input, d), transposed(cook.input))
          let size = product(product(sizes(cook.input), sizes(d)), transposed(sizes(cook.input)))
          for i in 0..<cook.alpha {
            for j in 0..<cook.alpha {
              let value = Double(points.start[(i * cook.alpha + j) * count + slot])
              #expect(abs(value - exact[i][j]) <= roundings * unitRoundoff * size[i][j])
            }
          }
        }
      }
    }
  }

  @Test("points become output tiles within the bound, and sums see only what the mask shows", arguments: KernelPath.all)
  func output(path: KernelPath) {
    for cook in ToomCook.all {
      for (vectors, misalignment) in [(1, 0), (2, 1), (5, 3)] {
        var numbers = Numbers(seed: UInt64(vectors))
        let count = vectors * path.vector
        let hidden = count - 1
        var contents = numbers.list(cook.alpha * cook.alpha * count)
        for xi in 0..<cook.alpha * cook.alpha { contents[xi * count + hidden] = .nan }
        let points = GuardedFloats(contents, misalignment: misalignment)
        let plane = count + 3
        let result = GuardedFloats(zeros: cook.step * cook.step * plane, misalignment: misalignment)
        var masks = (0..<cook.step * cook.step * count).map { _ in numbers.next() > -0.5 ? UInt32.max : 0 }
        for phase in 0..<cook.step * cook.step { masks[phase * count + hidden] = 0 }
        var sums = [3.0, 4.0]
        path.kernels.winograd_output_f32(
          cook.shape, points.start, count, count, result.start, plane, masks, count, &sums)
        #expect(result.isUntouchedOutside)
        var sum = 3.0
        var squares = 4.0
        var size = 0.0
        for slot in 0..<count {
          let m = (0..<cook.alpha).map { i in
            (0..<cook.alpha).map { j in Double(contents[(i * cook.alpha + j) * count + slot]) }
          }
          let exact = product(product(cook.output, m), transposed(cook.output))
          let bound = product(product(sizes(cook.output), sizes(m)), transposed(sizes(cook.output)))
          for i in 0..<cook.step {
            for j in 0..<cook.step {
              let value = Double(result.start[(i * cook.step + j) * plane + slot])
              if slot != hidden { #expect(abs(value - exact[i][j]) <= roundings * unitRoundoff * bound[i][j]) }
              if masks[(i * cook.step + j) * count + slot] != 0 {
                sum += value
                squares += value * value
                size += abs(value)
              }
            }
          }
        }
        // Each lane adds at most step² x vectors numbers in float32.
        let terms = Double(cook.step * cook.step * vectors + 1)
        #expect(abs(sums[0] - sum) <= terms * unitRoundoff * size)
        #expect(abs(sums[1] - squares) <= (terms + 1) * unitRoundoff * squares)

        let unmasked = GuardedFloats(zeros: cook.step * cook.step * plane)
        path.kernels.winograd_output_f32(cook.shape, points.start, count, count, unmasked.start, plane, nil, 0, nil)
        for index in unmasked.values.indices where !unmasked.start[index].isNaN {
          #expect(unmasked.start[index] == result.start[index])
        }
      }
    }
  }
}
