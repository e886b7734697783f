/// Planes whose pixels are taken in squares: each place in a square makes a plane of its own, or the reverse. The plane for channel c,
/// row i and column j of squares of side n is number `(c n + i) n + j`.
struct PixelSquares {
  /// Width and height of a square in pixels.
  let side: Int
  /// Of the planes with one number for each square; its channels are those of the other planes times `side * side`.
  let deep: PictureShape

  /// Squares to planes.
  ///
  /// - Parameters:
  ///   - wide: one plane for each channel.
  ///   - wideStride: floats from one of them to the next.
  ///   - planes: receives one plane for each channel and place.
  ///   - stride: floats from one of them to the next.
  func gather(
    _ wide: UnsafePointer<Float>, wideStride: Int, into planes: UnsafeMutablePointer<Float>, stride: Int
  ) {
    forEachPair { plane, place, channel, pixel in planes[plane * stride + place] = wide[channel * wideStride + pixel] }
  }

  /// Planes to squares.
  ///
  /// - Parameters:
  ///   - planes: one plane for each channel and place.
  ///   - stride: floats from one of them to the next.
  ///   - wide: receives one plane for each channel.
  ///   - wideStride: floats from one of them to the next.
  func scatter(
    _ planes: UnsafePointer<Float>, stride: Int, into wide: UnsafeMutablePointer<Float>, wideStride: Int
  ) {
    forEachPair { plane, place, channel, pixel in wide[channel * wideStride + pixel] = planes[plane * stride + place] }
  }

  @inline(__always)
  private func forEachPair(_ body: (_ plane: Int, _ place: Int, _ channel: Int, _ pixel: Int) -> Void) {
    for plane in 0..<deep.channels {
      let channel = plane / (side * side)
      let first = plane / side % side * deep.width * side + plane % side
      for row in 0..<deep.height {
        for column in 0..<deep.width {
          body(
            plane, row * deep.width + column, channel, first + (row * deep.width * side + column) * side)
        }
      }
    }
  }
}
