/// A rectangle of whole pixels inside a picture, in coordinates of the full-resolution, upright picture.
package struct CropRectangle: Sendable, Equatable, Hashable {
  /// Columns to the left of the rectangle.
  package var x: Int
  /// Rows above the rectangle.
  package var y: Int
  /// Columns, at least 1.
  package var width: Int
  /// Rows, at least 1.
  package var height: Int

  /// The rectangle with its top left corner at (`x`, `y`).
  package init(x: Int, y: Int, width: Int, height: Int) {
    self.x = x
    self.y = y
    self.width = width
    self.height = height
  }
}
