import ImageFormats

/// What a file says about its picture before any pixel is decoded.
package struct ImageHeader: Sendable, Equatable {
  /// The file format.
  package let format: ImageFormat
  /// Width of the picture as it is shown, in pixels.
  package let width: Int
  /// Height of the picture as it is shown, in pixels.
  package let height: Int
  /// How the stored picture has to be turned to be shown; `upright` where orientation is not applied.
  package let orientation: ImageOrientation
  /// Whether a JPEG's samples are four inks instead of three colours.
  let isCMYK: Bool

  init(
    format: ImageFormat, storedWidth: Int, storedHeight: Int, orientation: ImageOrientation, isCMYK: Bool = false
  ) {
    self.format = format
    width = orientation.swapsSides ? storedHeight : storedWidth
    height = orientation.swapsSides ? storedWidth : storedHeight
    self.orientation = orientation
    self.isCMYK = isCMYK
  }

  /// Width of the picture as it is stored, in pixels.
  var storedWidth: Int { orientation.swapsSides ? height : width }
  /// Height of the picture as it is stored, in pixels.
  var storedHeight: Int { orientation.swapsSides ? width : height }
}
