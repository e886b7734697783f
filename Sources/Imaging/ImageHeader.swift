/// What a file says about its picture before any pixel is decoded.
public struct ImageHeader: Sendable, Equatable {
  /// The file format.
  public let format: ImageFormat
  /// Width of the upright picture, in pixels.
  public let width: Int
  /// Height of the upright picture, in pixels.
  public let height: Int
  /// How the stored picture has to be turned to stand upright.
  public let orientation: ImageOrientation
}
