import Imaging

/// A picture that grows by rows of captioned cells of equal size: the sheet that `sasslctl preview` writes.
struct PreviewCanvas {
  /// Space between and around cells, in pixels.
  private static let margin = 8

  /// Pixels of one cell's picture.
  let cellWidth: Int
  let cellHeight: Int
  /// Cells beside each other.
  let columns: Int
  /// Caption lines under each cell.
  let captionLines: Int
  /// The sheet.
  let image: RGBImage

  /// A white sheet of `columns` x `rows` cells.
  init(cellWidth: Int, cellHeight: Int, columns: Int, rows: Int, captionLines: Int) {
    self.cellWidth = cellWidth
    self.cellHeight = cellHeight
    self.columns = columns
    self.captionLines = captionLines
    let rowHeight = cellHeight + captionLines * CaptionFace.lineHeight + Self.margin
    image = RGBImage(
      width: Self.margin + columns * (cellWidth + Self.margin), height: Self.margin + rows * rowHeight)
    image.pixels.bytes.update(repeating: 255)
  }

  /// Copies `picture`, centred in the cell at (`column`, `row`), which it must fit in, and writes the captions below.
  func place(_ picture: PixelBuffer, column: Int, row: Int, captions: [String]) {
    let left = Self.margin + column * (cellWidth + Self.margin)
    let top = Self.margin + row * (cellHeight + captionLines * CaptionFace.lineHeight + Self.margin)
    let x = left + (cellWidth - picture.width) / 2
    let y = top + (cellHeight - picture.height) / 2
    for line in 0..<picture.height {
      (image.pixels.base + (y + line) * image.pixels.rowBytes + x * 3)
        .update(from: picture.base + line * picture.rowBytes, count: picture.rowBytes)
    }
    for (line, caption) in captions.prefix(captionLines).enumerated() {
      write(caption, x: left, y: top + cellHeight + 2 + line * CaptionFace.lineHeight)
    }
  }

  private func write(_ text: String, x: Int, y: Int) {
    for (index, character) in CaptionFace.fitted(text, width: cellWidth).enumerated() {
      for (row, bits) in CaptionFace.rows(of: character).enumerated() {
        for column in 0..<5 where bits & (16 >> UInt8(column)) != 0 {
          let pixel =
            image.pixels.base + (y + row) * image.pixels.rowBytes + (x + index * CaptionFace.advance + column) * 3
          pixel.update(repeating: 32, count: 3)
        }
      }
    }
  }
}
