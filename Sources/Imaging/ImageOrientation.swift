/// The eight ways in which a camera may have stored a picture, numbered as EXIF tag 0x0112 numbers them. Each case says
/// what was done to the upright picture; decoding undoes it.
package enum ImageOrientation: Int, Sendable, CaseIterable {
  /// Stored upright.
  case upright = 1
  /// Mirrored left to right.
  case mirrored = 2
  /// Rotated by 180 degrees.
  case upsideDown = 3
  /// Mirrored top to bottom.
  case mirroredUpsideDown = 4
  /// Mirrored along the main diagonal.
  case transposed = 5
  /// Upright after a quarter turn clockwise.
  case turnedLeft = 6
  /// Mirrored along the other diagonal.
  case transversed = 7
  /// Upright after a quarter turn counter-clockwise.
  case turnedRight = 8

  /// Whether the stored rows are the upright picture's columns.
  package var swapsSides: Bool { rawValue >= 5 }

  /// Whether what is stored last comes first in the upright picture's rows, from left to right.
  var reversesColumns: Bool { [.mirrored, .upsideDown, .turnedLeft, .transversed].contains(self) }

  /// Whether what is stored last comes first in the upright picture's columns, from top to bottom.
  var reversesRows: Bool { [.upsideDown, .mirroredUpsideDown, .transversed, .turnedRight].contains(self) }

  /// Writes the upright form of `stored` into `upright`, whose sides must already be swapped where `swapsSides`.
  func setUpright(_ stored: PixelBuffer, into upright: PixelBuffer) {
    precondition(
      upright.width == (swapsSides ? stored.height : stored.width)
        && upright.height == (swapsSides ? stored.width : stored.height), "the upright picture has the wrong sides")
    let lastColumn = stored.width - 1
    let lastRow = stored.height - 1
    // Where the upright picture's origin lies in the stored one, and what a step right or down is there.
    let (originX, originY, rightX, rightY, downX, downY) =
      switch self {
      case .upright: (0, 0, 1, 0, 0, 1)
      case .mirrored: (lastColumn, 0, -1, 0, 0, 1)
      case .upsideDown: (lastColumn, lastRow, -1, 0, 0, -1)
      case .mirroredUpsideDown: (0, lastRow, 1, 0, 0, -1)
      case .transposed: (0, 0, 0, 1, 1, 0)
      case .turnedLeft: (0, lastRow, 0, -1, 1, 0)
      case .transversed: (lastColumn, lastRow, 0, -1, -1, 0)
      case .turnedRight: (lastColumn, 0, 0, 1, -1, 0)
      }
    let stepRight = (rightY * stored.width + rightX) * 3
    let stepDown = (downY * stored.width + downX) * 3
    var rowStart = (originY * stored.width + originX) * 3
    var target = upright.base
    for _ in 0..<upright.height {
      var offset = rowStart
      for _ in 0..<upright.width {
        target[0] = stored.base[offset]
        target[1] = stored.base[offset &+ 1]
        target[2] = stored.base[offset &+ 2]
        target += 3
        offset &+= stepRight
      }
      rowStart &+= stepDown
    }
  }
}
