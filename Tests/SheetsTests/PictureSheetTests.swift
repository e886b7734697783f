import Imaging
import Sheets
import Testing

@Suite("Pictures on a sheet")
struct PictureSheetTests {
  @Test("each picture lies in the middle of its own cell, and nothing else is touched")
  func cells() throws {
    let sheet = PictureSheet(columns: 2, cellWidth: 20, heights: [10, 12], captionLines: 1, typeface: nil)
    let margin = PictureSheet.margin
    #expect(sheet.image.width == margin + 2 * (20 + margin) && sheet.image.height == margin + 10 + margin + 12 + margin)
    let picture = RGBImage(width: 4, height: 6)
    withExtendedLifetime(picture) { $0.pixels.bytes.update(repeating: 7) }
    sheet.place(picture, column: 1, row: 1, captions: ["never seen"])
    let (left, top) = (margin + 20 + margin + 8, margin + 10 + margin + 3)
    for row in 0..<sheet.image.height {
      for column in 0..<sheet.image.width {
        let isInside = (left..<left + 4).contains(column) && (top..<top + 6).contains(row)
        let value = sheet.image.pixels.bytes[(row * sheet.image.width + column) * 3]
        #expect(value == (isInside ? 7 : 255))
      }
    }
    withExtendedLifetime(sheet) {}
  }

  @Test("captions stand below their picture and change no pixel of it")
  func captions() throws {
    let sheet = PictureSheet(
      columns: 1, cellWidth: 100, heights: [30], captionLines: 2, typeface: try Typeface(size: 13))
    let picture = RGBImage(width: 100, height: 30)
    withExtendedLifetime(picture) { $0.pixels.bytes.update(repeating: 9) }
    sheet.place(picture, column: 0, row: 0, captions: ["gjpqy ÄÅ", "second line"])
    let margin = PictureSheet.margin
    let rows = (0..<sheet.image.height).map { row in
      (margin..<margin + 100).map { sheet.image.pixels.bytes[(row * sheet.image.width + $0) * 3] }
    }
    withExtendedLifetime(sheet) {}
    #expect(rows[margin..<margin + 30].allSatisfy { $0.allSatisfy { $0 == 9 } })
    #expect(rows[(margin + 30)...].contains { $0.contains { $0 < 128 } })
    #expect(rows[(rows.count - margin)...].allSatisfy { $0.allSatisfy { $0 == 255 } })
  }
}
