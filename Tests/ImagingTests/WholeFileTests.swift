import Foundation
import Imaging
import Testing

@Suite("Whole pictures are shown, whatever surrounds them")
struct WholeFileTests {
  @Test("JPEG whose end marker is missing, late or followed by something else", arguments: WholeFile.jpegs)
  func jpeg(file: WholeFile) throws {
    try expectPixels(of: file)
  }

  @Test("PNG whose last chunks are missing or damaged", arguments: WholeFile.pngs)
  func png(file: WholeFile) throws {
    try expectPixels(of: file)
  }

  @Test("other formats, cut behind their pixels, followed or described by something else", arguments: WholeFile.others)
  func others(file: WholeFile) throws {
    try expectPixels(of: file)
  }

  private func expectPixels(of file: WholeFile) throws {
    let decoder = ImageDecoder()
    let expected = try decoder.decode([UInt8](Goldens.contents(of: file.original)))
    #expect(try Difference(decoder.decode(file.bytes), expected).largest == 0)
  }
}

/// A file with every pixel of another, and something odd around them.
struct WholeFile: CustomTestStringConvertible, Sendable {
  let testDescription: String
  let original: String
  let bytes: [UInt8]

  private init(_ description: String, _ original: String, _ bytes: [UInt8]) {
    testDescription = "\(description): \(original)"
    self.original = original
    self.bytes = bytes
  }

  static let jpegs: [WholeFile] =
    ["baseline-420.jpg", "restart-intervals.jpg", "gray.jpg", "cmyk-adobe.jpg"]
    .flatMap { name in
      let whole = contents(of: name)
      let scan = try! BrokenFile.marker(0xDA, in: whole)
      let withoutEnd = Array(whole.dropLast(2))
      let thumbnail: [UInt8] = [0xFF, 0xD8, 0xFF, 0xE0, 1, 2, 3, 0xFF, 0xD9]
      // As telephones write it behind a panorama.
      let trailer: [UInt8] =
        [0, 0, 1, 10, 14, 0, 0, 0] + "Image_UTC_Data".utf8 + (0..<3000).map { UInt8($0 % 251) } + "SEFT".utf8
      return [
        WholeFile("without its end marker", name, withoutEnd),
        WholeFile("with half its end marker", name, withoutEnd + [0xFF]),
        WholeFile("with a trailer instead of the end marker", name, withoutEnd + trailer),
        WholeFile("with another picture instead of the end marker", name, withoutEnd + trailer + thumbnail),
        WholeFile("with a trailer behind the end marker", name, whole + trailer),
        WholeFile("with a few stray bytes before the end marker", name, withoutEnd + [1, 2, 3, 4, 0xFF, 0xD9]),
        WholeFile("padded before the end marker", name, withoutEnd + [UInt8](repeating: 0, count: 500) + [0xFF, 0xD9]),
        WholeFile(
          "with stray bytes among its tables", name, whole[..<scan] + [1, 2, 3, 4, 5] + whole[scan...]),
      ]
    }
    + ["progressive-420.jpg", "gray-progressive.jpg"].map { name in
      WholeFile("without its end marker", name, contents(of: name).dropLast(2))
    }

  static let pngs: [WholeFile] = ["rgb-8.png", "rgb-8-interlaced.png", "palette-4.png"].flatMap { name in
    let whole = contents(of: name)
    let withoutEnd = whole.dropLast(12)
    var wrongChecksum = whole
    wrongChecksum[whole.count - 12 - 1] ^= 1
    let text: [UInt8] = [0, 0, 0, 3] + "tEXta".utf8 + [0, 98, 1, 2, 3, 4]
    return [
      WholeFile("without its end", name, Array(withoutEnd)),
      WholeFile("cut in its last checksum", name, withoutEnd.dropLast(2)),
      WholeFile("cut in zlib's checksum of all rows", name, withoutEnd.dropLast(6)),
      WholeFile("with a wrong checksum of a chunk of data", name, wrongChecksum),
      WholeFile("with a damaged text at its end", name, withoutEnd + text + whole.suffix(12)),
      WholeFile("with something else behind its end", name, whole + [UInt8](repeating: 7, count: 99)),
    ]
  }

  static let others: [WholeFile] =
    [
      "lossy.webp", "animated.webp", "rgb-tiff_lzw.tiff", "rgb.bmp", "runs-8.bmp", "binary.ppm", "text.pgm",
      "in-order.gif",
    ]
    .map {
      WholeFile("with something else behind its end", $0, contents(of: $0) + [10] + [UInt8](repeating: 7, count: 99))
    }
    + [
      WholeFile("cut in its metadata", "orientation-3.webp", contents(of: "orientation-3.webp").dropLast(1)),
      WholeFile("cut in its second frame", "animated.webp", contents(of: "animated.webp").dropLast(20)),
      WholeFile("cut in its second frame", "animated.gif", contents(of: "animated.gif").dropLast(20)),
      WholeFile("without its end", "in-order.gif", contents(of: "in-order.gif").dropLast(2)),
      WholeFile("without what fills up its last row", "rgb.bmp", contents(of: "rgb.bmp").dropLast(1)),
      WholeFile("without the end of its runs", "runs-8.bmp", contents(of: "runs-8.bmp").dropLast(2)),
      WholeFile(
        "with tags that share values", "rgb-8-strips-big.tiff",
        BrokenFile.sharingValues(contents(of: "rgb-8-strips-big.tiff"), tags: 10, padding: 1 << 16)),
      WholeFile(
        "with tags that share values", "big.tiff",
        BrokenFile.sharingValues(contents(of: "big.tiff"), tags: 10, padding: 1 << 16)),
      WholeFile("followed by another picture", "binary.ppm", contents(of: "binary.ppm") + contents(of: "binary.pgm")),
    ]

  private static func contents(of name: String) -> [UInt8] {
    do { return try [UInt8](Goldens.contents(of: name)) } catch { fatalError("golden files are missing: \(error)") }
  }
}
