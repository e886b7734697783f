/// A picture as a window with a stride reads it: enlarged, given its border, and sorted by phase, so that tap (i, j) of the
/// window at output (row, column) is element `row * rowStride + column` of a plane at an offset.
struct BorderedPlanes {
  private let window: Window
  private let upsampling: Int
  private let input: PictureShape
  private let step: Int
  /// Floats from one output row to the next, of the planes as of the product; what lies past the width is of no use.
  private let rowStride: Int
  private let planeStride: Int
  private let paddedWidth: Int
  private let paddedHeight: Int

  /// What vectors read past the last window.
  private static let spareFloats = 32

  init(_ window: Window, upsampling: Int, _ input: PictureShape) {
    self.window = window
    self.upsampling = upsampling
    self.input = input
    step = window.stride
    paddedWidth = input.width * upsampling + window.padding.left + window.padding.right
    paddedHeight = input.height * upsampling + window.padding.top + window.padding.bottom
    rowStride = dividedUp(paddedWidth, by: step)
    planeStride = PhaseLayout.oddCacheLines(dividedUp(paddedHeight, by: step) * rowStride + Self.spareFloats)
  }

  /// Floats of a channel.
  var channelStride: Int { step * step * planeStride }

  /// Elements of the product that hold the output.
  func productCount(_ output: PictureShape) -> Int { (output.height - 1) * rowStride + output.width }

  /// Floats from one channel of the product to the next: whole vectors.
  func productStride(_ output: PictureShape) -> Int {
    PhaseLayout.oddCacheLines(roundUp(productCount(output), toMultipleOf: 16))
  }

  /// Hands over where each tap of each channel lies, in the order of a kernel's weights.
  func withOffsets(channels: Int, _ use: (UnsafeBufferPointer<Int>) -> Void) {
    let taps = window.rows * window.columns
    withUnsafeTemporaryAllocation(of: Int.self, capacity: channels * taps) { offsets in
      for channel in 0..<channels {
        for row in 0..<window.rows {
          for column in 0..<window.columns {
            offsets[channel * taps + row * window.columns + column] =
              channel * channelStride + (row % step * step + column % step) * planeStride + row / step * rowStride
              + column / step
          }
        }
      }
      use(UnsafeBufferPointer(offsets))
    }
  }

  /// Copies one channel.
  ///
  /// - Parameters:
  ///   - channel: receives ``channelStride`` floats.
  ///   - plane: rows of the input's width, one after the other.
  func fill(_ channel: UnsafeMutablePointer<Float>, from plane: UnsafePointer<Float>) {
    withUnsafeTemporaryAllocation(of: Int.self, capacity: paddedWidth) { columns in
      for column in 0..<paddedWidth {
        columns[column] = source(column - window.padding.left, side: input.width)
      }
      for row in 0..<paddedHeight {
        let source = source(row - window.padding.top, side: input.height)
        let line = plane + source * input.width
        for phase in 0..<step {
          let destination = channel + (row % step * step + phase) * planeStride + row / step * rowStride
          let count = (paddedWidth - phase + step - 1) / step
          guard source >= 0 else {
            destination.update(repeating: 0, count: count)
            continue
          }
          if step == 1 && upsampling == 1 {
            let left = window.padding.left
            (destination + left).update(from: line, count: input.width)
            for column in 0..<left { destination[column] = columns[column] < 0 ? 0 : line[columns[column]] }
            for column in left + input.width..<paddedWidth {
              destination[column] = columns[column] < 0 ? 0 : line[columns[column]]
            }
          } else {
            for index in 0..<count {
              let column = columns[index * step + phase]
              destination[index] = column < 0 ? 0 : line[column]
            }
          }
        }
      }
    }
  }

  /// The row or column that a position of the enlarged picture shows; negative for a zero.
  private func source(_ position: Int, side: Int) -> Int {
    let last = side * upsampling - 1
    if (0...last).contains(position) { return position / upsampling }
    guard window.padding.border == .mirrored else { return -1 }
    return (position < 0 ? -position : 2 * last - position) / upsampling
  }

  /// Copies one channel of a product to rows that follow one another.
  func compact(_ product: UnsafePointer<Float>, _ output: PictureShape, into plane: UnsafeMutablePointer<Float>) {
    for row in 0..<output.height {
      (plane + row * output.width).update(from: product + row * rowStride, count: output.width)
    }
  }
}
