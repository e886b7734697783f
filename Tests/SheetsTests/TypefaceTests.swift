import Imaging
import Sheets
import Testing

@Suite("The typeface of captions")
struct TypefaceTests {
  @Test("letters have widths of their own, and a text is as wide as its letters, or nearer where pairs are kerned")
  func widths() throws {
    let typeface = try Typeface(size: 24)
    #expect(typeface.width(of: "i") < typeface.width(of: "n"))
    #expect(typeface.width(of: "n") < typeface.width(of: "W"))
    let (pair, letters) = (typeface.width(of: "nn"), 2 * typeface.width(of: "n"))
    #expect((letters - 1...letters).contains(pair))
    #expect(typeface.width(of: "") == 0)
  }

  @Test("small letters are not capitals, and what cannot be seen is shown as a sign")
  func letters() throws {
    #expect(try drawn("name") != drawn("NAME"))
    #expect(try drawn("a\nb") == drawn("a\u{FFFD}b"))
    #expect(try drawn("a\u{1B}[31mb") == drawn("a\u{FFFD}[31mb"))
  }

  @Test("what is too long keeps its beginning and its end")
  func fitting() throws {
    let typeface = try Typeface(size: 13)
    #expect(typeface.fitted("short.png", width: 200) == "short.png")
    let name = "a-very-long-name-of-a-picture-that-nobody-would-write-0042.png"
    for width in [30, 80, 160] {
      let fitted = typeface.fitted(name, width: width)
      #expect(typeface.width(of: fitted) <= width)
      let ends = fitted.split(separator: "…", omittingEmptySubsequences: false)
      #expect(ends.count == 2 && name.hasPrefix(ends[0]) && name.hasSuffix(ends[1]))
      #expect(width == 30 || ends.allSatisfy { !$0.isEmpty })
    }
  }

  @Test("nothing is drawn outside the picture, wherever a text begins")
  func edges() throws {
    let typeface = try Typeface(size: 13)
    let picture = RGBImage(width: 40, height: 20)
    withExtendedLifetime(picture) {
      $0.pixels.bytes.update(repeating: 255)
      for (x, y) in [(-20, 0), (30, 0), (0, -10), (0, 15), (1000, 1000), (-1000, -1000)] {
        typeface.draw("Wide text", x: x, y: y, on: $0.pixels)
      }
      #expect($0.pixels.bytes.contains { $0 < 128 })
    }
  }

  private func drawn(_ text: String) throws -> [UInt8] {
    let picture = RGBImage(width: 120, height: 20)
    return try withExtendedLifetime(picture) {
      $0.pixels.bytes.update(repeating: 255)
      try Typeface(size: 13).draw(text, x: 2, y: 0, on: $0.pixels)
      return Array($0.pixels.bytes)
    }
  }
}
