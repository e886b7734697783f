import CStyleKernels
import StyleTransfer
import Testing

/// A convolution as its definition has it, in double precision, on a picture that brings its own border.
private func convolve(
  _ picture: [Double], channels: Int, width: Int, height: Int, weight: [Double], outputs: Int, side: Int, stride: Int
) -> [Double] {
  let columns = (width - side) / stride + 1
  let rows = (height - side) / stride + 1
  var result: [Double] = []
  for output in 0..<outputs {
    for row in 0..<rows {
      for column in 0..<columns {
        var sum = 0.0
        for channel in 0..<channels {
          for y in 0..<side {
            for x in 0..<side {
              sum +=
                weight[((output * channels + channel) * side + y) * side + x]
                * picture[(channel * height + row * stride + y) * width + column * stride + x]
            }
          }
        }
        result.append(sum)
      }
    }
  }
  return result
}

/// The same numbers in every run, so that a failure can be looked at twice.
private struct SeededNumbers: RandomNumberGenerator {
  private var state: UInt64 = 0x9E37_79B9_7F4A_7C15
  mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state
  }
}

@Suite struct FastConvolutionTests {
  private static let shapes: [(WinogradShape, Int)] = [
    (.fourByTwo, 1), (.fourByThree, 1), (.fourByFive, 1), (.fourByFive, 2), (.fourByFive, 3),
  ]

  @Test("a convolution by way of its points is the convolution, for odd sizes and channel counts")
  func winograd() {
    for kernels in kernelPaths {
      for (shape, blocks) in Self.shapes {
        for (columns, rows, inputs, outputs) in [(1, 1, 1, 1), (7, 5, 3, 9), (13, 20, 5, 4)] {
          var generator = SeededNumbers()
          let step = WinogradShape.step
          let blockSide = shape.taps * blocks
          let side = step * (blocks - 1) + shape.taps
          let width = columns + side - 1
          let height = rows + side - 1
          func random(_ count: Int) -> [Double] {
            (0..<count).map { _ in Double(Float.random(in: -1...1, using: &generator)) }
          }
          let picture = random(inputs * width * height)
          let blockWeight = random(outputs * inputs * blockSide * blockSide)
          // Block b begins at tap 4 b of the whole kernel; where blocks overlap, their taps add up.
          var weight = [Double](repeating: 0, count: outputs * inputs * side * side)
          for (index, value) in blockWeight.enumerated() {
            let place = [index / blockSide % blockSide, index % blockSide].map {
              $0 / shape.taps * step + $0 % shape.taps
            }
            weight[(index / (blockSide * blockSide) * side + place[0]) * side + place[1]] += value
          }
          let exact = convolve(
            picture, channels: inputs, width: width, height: height, weight: weight, outputs: outputs, side: side,
            stride: 1)
          let size = convolve(
            picture.map(abs), channels: inputs, width: width, height: height, weight: weight.map(abs), outputs: outputs,
            side: side, stride: 1)

          let convolution = WinogradConvolution(
            shape, inputChannels: inputs, outputChannels: outputs, blocks: blocks, weight: blockWeight, kernels: kernels
          )
          let tileRows = (rows + step - 1) / step
          // The border is part of the picture here.
          let layout = PhaseLayout(
            width: width, height: height, border: 0, step: step,
            tileColumns: (columns + step - 1) / step + blocks - 1, tileRows: tileRows + blocks - 1)
          var planes = [Float](repeating: 0, count: layout.count(channels: inputs))
          for channel in 0..<inputs {
            for y in 0..<height {
              for x in 0..<width {
                planes[
                  channel * layout.channelStride + (y % step * step + x % step) * layout.planeStride
                    + y / step * layout.rowStride + x / step] = Float(picture[(channel * height + y) * width + x])
              }
            }
          }
          let stride = convolution.outputSlots(layout, tileRows: tileRows) + 3
          var output = [Float](repeating: .nan, count: outputs * step * step * stride)
          var scratch = [Float](repeating: .nan, count: convolution.scratchFloats(layout, tileRows: tileRows))
          convolution.run(
            planes, layout: layout, tileRows: tileRows, into: &output, planeStride: stride, masks: nil, sums: nil,
            scratch: &scratch)
          var worst = 0.0
          for channel in 0..<outputs {
            for y in 0..<rows {
              for x in 0..<columns {
                let value = output[
                  (channel * step * step + y % step * step + x % step) * stride + y / step * layout.rowStride + x / step
                ]
                let index = (channel * rows + y) * columns + x
                // The points of these shapes amplify rounding errors by less than 1000 (|A||G||B| of the worst element).
                worst = max(worst, abs(Double(value) - exact[index]) / (1000 * 0x1p-24 * max(size[index], 1)))
              }
            }
          }
          #expect(
            worst <= 1, "\(String(cString: kernels.name)) \(shape) \(blocks) \(columns)x\(rows) \(inputs)->\(outputs)")
        }
      }
    }
  }
}
