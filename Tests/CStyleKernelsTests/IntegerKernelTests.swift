import CStyleKernels
import Foundation
import Testing

/// The integer kernels of every path that this CPU can run, the portable ones first.
private let paths: [style_integer_kernels] = ["portable", "avx2", "avx512", "avx512vnni"].compactMap {
  (name: String) in style_integer_kernels_named(name)?.pointee
}

/// A picture of levels with its border, and what a convolution makes of it.
private struct Picture {
  let width: Int
  let height: Int
  let channels: Int

  var columns: Int { (width + 3) / 4 * 4 }
  var rows: Int { (height + 3) / 4 * 4 }
  var levelCount: Int { (rows + 2) * (columns + 2) * channels }

  /// Where a pixel's levels begin; -1 and the side are on the border.
  func level(_ row: Int, _ column: Int) -> Int { ((row + 1) * (columns + 2) + column + 1) * channels }

  /// Levels from a function of row, column and channel, mirrored at the border.
  func levels(_ value: (Int, Int, Int) -> Int) -> [Int16] {
    func inside(_ position: Int, _ side: Int) -> Int {
      position < 0 ? -position : position >= side ? 2 * (side - 1) - position : position
    }
    var result = [Int16](repeating: 0, count: levelCount)
    for row in -1...height {
      for column in -1...width {
        for channel in 0..<channels {
          result[level(row, column) + channel] = Int16(value(inside(row, height), inside(column, width), channel))
        }
      }
    }
    return result
  }
}

/// What a convolution writes.
private struct Result: Equatable {
  var sums: [Float]
  var sum: [Double]
  var squares: [Double]
  var least: [Float]
  var greatest: [Float]

  init(
    _ kernels: style_integer_kernels, _ picture: Picture, levels: [Int16], weights: [Int16], outputs: Int,
    before: Float = 0
  ) {
    sums = [Float](repeating: before, count: picture.rows * picture.columns * outputs)
    sum = [Double](repeating: .nan, count: outputs)
    squares = sum
    least = [Float](repeating: .nan, count: outputs)
    greatest = least
    var scratch = [UInt8](repeating: 0xFF, count: style_convolution_scratch(picture.channels, outputs))
    sum.withUnsafeMutableBufferPointer { sum in
      squares.withUnsafeMutableBufferPointer { squares in
        least.withUnsafeMutableBufferPointer { least in
          greatest.withUnsafeMutableBufferPointer { greatest in
            var statistics = style_statistics(
              sum: sum.baseAddress, sum_of_squares: squares.baseAddress, least: least.baseAddress,
              greatest: greatest.baseAddress)
            kernels.convolve(
              levels, picture.width, picture.height, picture.channels, weights, outputs, &sums, &statistics, &scratch)
          }
        }
      }
    }
  }
}

private let sides = [(2, 2), (3, 5), (4, 4), (7, 6), (14, 14), (17, 9), (56, 4), (25, 31)]

@Suite struct IntegerKernelTests {
  /// G times 24, in whole numbers.
  private static let transform = [[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 6]]

  /// G g Gᵀ of kernels that are 576 times `kernel`: whole numbers then.
  private func weights(inputs: Int, outputs: Int, _ kernel: (Int, Int, Int, Int) -> Int) -> [Int16] {
    var result = [Int16](repeating: 0, count: 36 * inputs * outputs)
    for point in 0..<36 {
      for input in 0..<inputs {
        for output in 0..<outputs {
          var sum = 0
          for i in 0..<3 {
            for j in 0..<3 {
              sum += Self.transform[point / 6][i] * kernel(output, input, i, j) * Self.transform[point % 6][j]
            }
          }
          result[((point * inputs / 2 + input / 2) * outputs + output) * 2 + input % 2] = Int16(sum)
        }
      }
    }
    return result
  }

  @Test("a convolution is the sum of its products, written out", arguments: [(16, 16), (32, 48), (48, 32), (16, 80)])
  func convolution(inputs: Int, outputs: Int) {
    var numbers = Numbers(seed: UInt64(inputs * outputs))
    let kernel = (0..<outputs * inputs * 9).map { _ in numbers.index(below: 3) - 1 }
    func at(_ output: Int, _ input: Int, _ i: Int, _ j: Int) -> Int {
      kernel[((output * inputs + input) * 3 + i) * 3 + j]
    }
    let packed = weights(inputs: inputs, outputs: outputs, at)
    for (width, height) in sides {
      let picture = Picture(width: width, height: height, channels: inputs)
      let random = (0..<width * height * inputs).map { _ in numbers.index(below: 7) - 3 }
      let levels = picture.levels { random[($0 * width + $1) * inputs + $2] }
      for kernels in paths {
        let result = Result(kernels, picture, levels: levels, weights: packed, outputs: outputs)
        var sums = [Double](repeating: 0, count: outputs)
        for row in 0..<height {
          for column in 0..<width {
            for output in stride(from: row % 3, to: outputs, by: 3) {
              var exact = 0
              for i in 0..<3 {
                for j in 0..<3 {
                  let first = picture.level(row + i - 1, column + j - 1)
                  for input in 0..<inputs { exact += at(output, input, i, j) * Int(levels[first + input]) }
                }
              }
              // The products are exact, and so is what is added up of them while it has no more than 24 bits.
              let value = result.sums[(row * picture.columns + column) * outputs + output]
              #expect(
                abs(Double(value) - Double(576 * exact)) <= 64, "\(String(cString: kernels.name)) \(width)x\(height)")
            }
            for output in 0..<outputs {
              sums[output] += Double(result.sums[(row * picture.columns + column) * outputs + output])
            }
          }
        }
        for output in 0..<outputs {
          #expect(abs(result.sum[output] - sums[output]) <= 1e-6 * (1 + abs(sums[output])) + 64)
        }
      }
    }
  }

  @Test("the largest levels and weights fit, and every path writes the same bytes")
  func everyPathAgrees() {
    var numbers = Numbers(seed: 5)
    for (inputs, outputs) in [(16, 16), (32, 32), (48, 48), (48, 32), (32, 48), (80, 16)] {
      let most = Int(STYLE_WEIGHT_SUM) / inputs
      let packed = (0..<36 * inputs * outputs).map { _ in
        Int16(numbers.index(below: 4) == 0 ? most : numbers.index(below: 2 * most + 1) - most)
      }
      for (width, height) in sides {
        let picture = Picture(width: width, height: height, channels: inputs)
        let random = (0..<width * height * inputs).map { _ in
          numbers.index(below: 3) == 0
            ? Int(STYLE_LEVELS) : numbers.index(below: 2 * Int(STYLE_LEVELS) + 1) - Int(STYLE_LEVELS)
        }
        let levels = picture.levels { random[($0 * width + $1) * inputs + $2] }
        let expected = Result(paths[0], picture, levels: levels, weights: packed, outputs: outputs)
        for kernels in paths.dropFirst() {
          let result = Result(kernels, picture, levels: levels, weights: packed, outputs: outputs, before: .nan)
          #expect(result == expected, "\(String(cString: kernels.name)) \(inputs) to \(outputs), \(width)x\(height)")
        }
      }
    }
  }

  @Test("statistics are those of the picture's own pixels")
  func statistics() {
    var numbers = Numbers(seed: 8)
    for (width, height) in sides {
      let picture = Picture(width: width, height: height, channels: 16)
      let packed = (0..<36 * 256).map { _ in Int16(numbers.index(below: 201) - 100) }
      let random = (0..<width * height * 16).map { _ in numbers.index(below: 655) - 327 }
      let levels = picture.levels { random[($0 * width + $1) * 16 + $2] }
      for kernels in paths {
        let result = Result(kernels, picture, levels: levels, weights: packed, outputs: 16)
        for output in 0..<16 {
          let values = (0..<height).flatMap { row in
            (0..<width).map { result.sums[(row * picture.columns + $0) * 16 + output] }
          }
          #expect(result.least[output] == values.min() && result.greatest[output] == values.max())
          let size = values.reduce(0) { $0 + abs(Double($1)) }
          let squares = values.reduce(0) { $0 + Double($1) * Double($1) }
          // A chunk has at most 24 tiles of 16 pixels.
          #expect(abs(result.sum[output] - values.reduce(0) { $0 + Double($1) }) <= 400 * unitRoundoff * size)
          #expect(abs(result.squares[output] - squares) <= 400 * unitRoundoff * squares)
        }
      }
    }
  }

  @Test("levels and features are rounded as written out, and mirrored")
  func levels() {
    var numbers = Numbers(seed: 3)
    for (width, height) in sides {
      let picture = Picture(width: width, height: height, channels: 16)
      let sums = numbers.list(picture.rows * picture.columns * 16)
      let scale = numbers.list(16).map { 300 * $0 }
      let shift = numbers.list(16).map { 20 * $0 }
      func value(_ row: Int, _ column: Int, _ channel: Int) -> Float {
        let product = sums[(row * picture.columns + column) * 16 + channel] * scale[channel]
        return product + shift[channel]
      }
      func rounded(_ value: Float) -> Int { Int(value.rounded(.toNearestOrEven)) }
      for kernels in paths {
        var levels = [Int16](repeating: 77, count: picture.levelCount)
        kernels.quantise(sums, width, height, 16, scale, shift, -5, &levels)
        #expect(levels == picture.levels { rounded(max(-5, value($0, $1, $2))) })

        var feature = [Float](repeating: .nan, count: width * height * 16)
        kernels.begin_feature(sums, width, height, 16, scale, shift, 0.5, &feature, &levels)
        let begun = (0..<width * height * 16).map { max(0, value($0 / 16 / width, $0 / 16 % width, $0 % 16)) }
        #expect(feature == begun)
        #expect(levels == picture.levels { rounded(begun[($0 * width + $1) * 16 + $2] * 0.5) })

        let greatest = kernels.add_to_feature(sums, width, height, 16, scale, shift, 0.25, &feature, &levels)
        let added = begun.indices.map { begun[$0] + value($0 / 16 / width, $0 / 16 % width, $0 % 16) }
        #expect(feature == added && greatest == added.reduce(0) { max($0, abs($1)) })
        #expect(levels == picture.levels { rounded(added[($0 * width + $1) * 16 + $2] * 0.25) })
      }
    }
  }

  @Test("patches hold the pixels in the order of memory, and give them back")
  func patches() {
    var numbers = Numbers(seed: 9)
    for (width, height) in sides {
      let picture = Picture(width: width, height: height, channels: 48)
      let pixels = (0..<width * height * 48).map { _ in UInt8(numbers.index(below: 256)) }
      func pixel(_ row: Int, _ column: Int, _ place: Int) -> Int {
        ((4 * row + place / 12) * 4 * width + 4 * column) * 3 + place % 12
      }
      let sums = numbers.list(picture.rows * picture.columns * 48).map { 20 * $0 }
      let scale = numbers.list(48)
      let shift = numbers.list(48).map { 5 * $0 }
      for kernels in paths {
        var levels = [Int16](repeating: 77, count: picture.levelCount)
        kernels.pixels_to_patches(pixels, width, height, &levels)
        #expect(levels == picture.levels { Int(pixels[pixel($0, $1, $2)]) })

        var output = [Float](repeating: .nan, count: pixels.count)
        kernels.patches_to_pixels(sums, width, height, scale, shift, &output)
        var worst = 0.0
        for row in 0..<height {
          for column in 0..<width {
            for place in 0..<48 {
              let x = sums[(row * picture.columns + column) * 48 + place] * scale[place] + shift[place]
              worst = max(worst, abs(Double(output[pixel(row, column, place)]) - 1 / (1 + exp(-Double(x)))))
            }
          }
        }
        #expect(worst <= 2e-7)
      }
    }
  }

  @Test("an affine map adds in the order of its inputs")
  func affineMap() {
    var numbers = Numbers(seed: 4)
    for depth in [1, 2, 100] {
      let input = numbers.list(depth)
      let matrix = numbers.list(depth * 48)
      let bias = numbers.list(48)
      let expected = (0..<48).map { place in
        (0..<depth).reduce(bias[place]) { sum, d in
          let product = input[d] * matrix[d * 48 + place]
          return sum + product
        }
      }
      for kernels in paths {
        var output = [Float](repeating: .nan, count: 48)
        kernels.affine_map(input, depth, matrix, bias, 48, &output)
        #expect(output == expected)
      }
    }
  }
}
