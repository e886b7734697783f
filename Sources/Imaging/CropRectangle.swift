/// A rectangle of whole pixels inside a picture, in coordinates of the full-resolution, upright picture.
public struct CropRectangle: Sendable, Equatable, Hashable {
  /// Columns to the left of the rectangle.
  public var x: Int
  /// Rows above the rectangle.
  public var y: Int
  /// Columns, at least 1.
  public var width: Int
  /// Rows, at least 1.
  public var height: Int

  /// The rectangle with its top left corner at (`x`, `y`).
  public init(x: Int, y: Int, width: Int, height: Int) {
    self.x = x
    self.y = y
    self.width = width
    self.height = height
  }
}
