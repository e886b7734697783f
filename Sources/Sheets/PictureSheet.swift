import Imaging

/// Pictures beside and below each other, each with captions under it. All cells are equally wide; rows have heights of their own.
package struct PictureSheet {
  /// Space between and around cells, in pixels.
  package static let margin = 8
  /// Height of the letters, in pixels.
  package static let letterSize = 13

  /// Width of a cell in pixels.
  package let cellWidth: Int
  /// The sheet.
  package let image: RGBImage

  /// Of the pictures in each row, in pixels.
  private let heights: [Int]
  private let captionHeight: Int
  private let typeface: Typeface?

  /// A white sheet.
  ///
  /// - Parameters:
  ///   - columns: cells beside each other.
  ///   - cellWidth: pixels of the widest picture.
  ///   - heights: pixels of the highest picture in each row.
  ///   - captionLines: lines below each picture.
  ///   - typeface: what captions are written in; without it there are none.
  package init(
    columns: Int, cellWidth: Int, heights: [Int], captionLines: Int, typeface: Typeface?
  ) {
    self.cellWidth = cellWidth
    self.heights = heights
    self.typeface = typeface
    let captionHeight = typeface.map { captionLines * $0.lineHeight } ?? 0
    self.captionHeight = captionHeight
    let margin = Self.margin
    image = RGBImage(
      width: margin + columns * (cellWidth + margin),
      height: margin + heights.map { $0 + captionHeight + margin }.reduce(0, +))
    image.pixels.bytes.update(repeating: 255)
  }

  /// Copies `picture`, which must not be larger than a cell, into the middle of the cell at (`column`, `row`), and writes the captions below.
  package func place(_ picture: RGBImage, column: Int, row: Int, captions: [String]) {
    let (left, top) = corner(column: column, row: row)
    let x = left + (cellWidth - picture.width) / 2
    let y = top + (heights[row] - picture.height) / 2
    withExtendedLifetime(picture) {
      for line in 0..<$0.height {
        (image.pixels.base + (y + line) * image.pixels.rowBytes + x * 3)
          .update(from: $0.pixels.base + line * $0.pixels.rowBytes, count: $0.pixels.rowBytes)
      }
    }
    write(captions, column: column, row: row)
  }

  /// Leaves the cell at (`column`, `row`) empty, and writes the captions below.
  package func write(_ captions: [String], column: Int, row: Int) {
    guard let typeface else { return }
    let (left, top) = corner(column: column, row: row)
    for (line, caption) in captions.enumerated() {
      typeface.draw(
        typeface.fitted(caption, width: cellWidth), x: left, y: top + heights[row] + line * typeface.lineHeight,
        on: image.pixels)
    }
  }

  private func corner(column: Int, row: Int) -> (left: Int, top: Int) {
    (
      Self.margin + column * (cellWidth + Self.margin),
      Self.margin + heights[..<row].map { $0 + captionHeight + Self.margin }.reduce(0, +)
    )
  }
}
