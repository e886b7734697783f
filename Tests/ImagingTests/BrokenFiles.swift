import Foundation
import Testing

/// Files that no decoder can make a whole picture of, made from whole ones, with the reason that should be given for each.
struct BrokenFile: CustomTestStringConvertible, Sendable {
  let testDescription: String
  let bytes: [UInt8]
  let reason: String

  private init(_ description: String, _ bytes: [UInt8], _ reason: String) {
    testDescription = description
    self.bytes = bytes
    self.reason = reason
  }

  static let all: [BrokenFile] = {
    do { return try foreign() + brokenJPEG() + brokenPNG() } catch { fatalError("golden files are missing: \(error)") }
  }()

  private static func foreign() throws -> [BrokenFile] {
    [
      BrokenFile("zero bytes", [], "empty"),
      BrokenFile("one byte", [0xFF], "unknown-format"),
      BrokenFile("text under a picture's name", Array("This is no picture.\n".utf8), "unknown-format"),
      BrokenFile("GIF", Array("GIF89a".utf8) + [1, 0, 1, 0, 0, 0, 0], "unknown-format"),
      BrokenFile("zeros", [UInt8](repeating: 0, count: 4096), "unknown-format"),
    ]
  }

  private static func brokenJPEG() throws -> [BrokenFile] {
    let baseline = try [UInt8](Goldens.contents(of: "baseline-420.jpg"))
    let progressive = try [UInt8](Goldens.contents(of: "progressive-420.jpg"))
    let frame = try marker(0xC0, in: baseline)
    let tables = try marker(0xC4, in: baseline)
    let quantization = try marker(0xDB, in: baseline)
    let scan = try marker(0xDA, in: baseline)
    let entropyCoded = scan + 2 + Int(baseline[scan + 2]) << 8 + Int(baseline[scan + 3])
    func changed(_ changes: [(offset: Int, value: UInt8)]) -> [UInt8] {
      var bytes = baseline
      for change in changes { bytes[change.offset] = change.value }
      return bytes
    }
    let middle = (entropyCoded + baseline.count) / 2
    // The harmless oddities that published files have, each before the same damage.
    let badCode = changed((0..<40).map { (entropyCoded + 8 + $0, $0 % 2 == 0 ? 0xFF : 0x00) })
    let unknownRevision = badCode[..<11] + [3] + badCode[12...]
    let adobe: [UInt8] = [0xFF, 0xEE, 0, 14] + "Adobe".utf8 + [0, 100, 0, 0, 0, 0, 9]
    let strayBytes: [UInt8] = [1, 2, 3, 4, 5]
    func damaged(after oddity: [UInt8]) -> [UInt8] { badCode[..<scan] + oddity + badCode[scan...] }
    let lastScan = try marker(0xDA, in: progressive, last: true)
    let repeatedScan = (0..<600).flatMap { _ in progressive[lastScan..<(progressive.count - 2)] }
    return [
      BrokenFile("JPEG of three bytes", Array(baseline.prefix(3)), "truncated"),
      BrokenFile("JPEG cut in a table", Array(baseline.prefix(quantization + 20)), "truncated"),
      BrokenFile("JPEG cut behind the frame header", Array(baseline.prefix(frame + 19)), "truncated"),
      BrokenFile("JPEG cut behind the scan header", Array(baseline.prefix(entropyCoded)), "truncated"),
      BrokenFile("JPEG cut in the middle of its data", Array(baseline.prefix(middle)), "truncated"),
      BrokenFile("JPEG without its last bytes", baseline.dropLast(12), "truncated"),
      BrokenFile("progressive JPEG cut between scans", Array(progressive.prefix(lastScan)), "truncated"),
      BrokenFile("progressive JPEG cut in a scan", progressive.dropLast(40), "truncated"),
      BrokenFile(
        "JPEG that announces 65500 x 65500",
        changed([(frame + 5, 0xFF), (frame + 6, 0xDC), (frame + 7, 0xFF), (frame + 8, 0xDC)]), "too-many-pixels"),
      BrokenFile("JPEG that announces no columns", changed([(frame + 7, 0), (frame + 8, 0)]), "unsupported"),
      BrokenFile("JPEG with 12-bit samples", changed([(frame + 4, 12)]), "unsupported"),
      BrokenFile("lossless JPEG", changed([(frame + 1, 0xC3)]), "unsupported"),
      BrokenFile(
        "JPEG with an impossible Huffman table", changed((0..<16).map { (tables + 5 + $0, 0xFF) }), "corrupt"),
      BrokenFile("JPEG without its quantization table", changed([(quantization + 4, 0x03)]), "corrupt"),
      BrokenFile(
        "JPEG with a Huffman code that does not exist",
        changed((0..<40).map { (entropyCoded + 8 + $0, $0 % 2 == 0 ? 0xFF : 0x00) }), "corrupt"),
      BrokenFile("the same after an unknown revision of JFIF", Array(unknownRevision), "corrupt"),
      BrokenFile("the same after a colour transform that Adobe does not have", damaged(after: adobe), "corrupt"),
      BrokenFile("the same after stray bytes", damaged(after: strayBytes), "corrupt"),
      BrokenFile(
        "the same after all of these", Array(unknownRevision[..<scan]) + adobe + strayBytes + badCode[scan...],
        "corrupt"),
      BrokenFile(
        "JPEG in whose data other bytes were written",
        changed((0..<12).map { (entropyCoded + 40 + $0, UInt8(17 * $0)) }),
        "corrupt"),
      BrokenFile(
        "JPEG whose last part was never written", baseline[..<middle] + [UInt8](repeating: 0, count: 4096), "truncated"),
      BrokenFile(
        "progressive JPEG with 600 scans", progressive.dropLast(2) + repeatedScan + [0xFF, 0xD9], "corrupt"),
    ]
  }

  private static func brokenPNG() throws -> [BrokenFile] {
    let png = try [UInt8](Goldens.contents(of: "rgb-8.png"))
    let interlaced = try [UInt8](Goldens.contents(of: "rgb-8-interlaced.png"))
    let chunks = Self.chunks(of: png)
    let header = chunks[0].data
    let data = chunks.first { $0.kind == "IDAT" }!.data
    func file(header: [UInt8], data: [UInt8]) -> [UInt8] {
      assemble([("IHDR", header), ("IDAT", data), ("IEND", [])])
    }
    func withHeader(_ changes: [(offset: Int, value: UInt8)]) -> [UInt8] {
      var header = header
      for change in changes { header[change.offset] = change.value }
      return file(header: header, data: data)
    }
    var wrongHeaderChecksum = png
    wrongHeaderChecksum[29] ^= 1
    var wrongRowChecksum = data
    wrongRowChecksum[data.count - 1] ^= 1
    var damagedData = data
    for index in 40..<60 { damagedData[index] = ~damagedData[index] }
    return [
      BrokenFile("PNG signature alone", Array(png.prefix(8)), "truncated"),
      BrokenFile("PNG cut in its header", Array(png.prefix(20)), "truncated"),
      BrokenFile("PNG cut in the middle of its data", Array(png.prefix(png.count / 2)), "truncated"),
      BrokenFile("interlaced PNG cut in its data", Array(interlaced.prefix(interlaced.count / 2)), "truncated"),
      BrokenFile("PNG with too few rows", file(header: header, data: storedZlib(5 * 88)), "truncated"),
      BrokenFile("PNG with a wrong header checksum", wrongHeaderChecksum, "corrupt"),
      BrokenFile("PNG with a wrong checksum of all rows", file(header: header, data: wrongRowChecksum), "corrupt"),
      BrokenFile("PNG with damaged compressed data", file(header: header, data: damagedData), "corrupt"),
      BrokenFile(
        "PNG that announces 60000 x 60000",
        withHeader([(2, 0xEA), (3, 0x60), (6, 0xEA), (7, 0x60)]), "too-many-pixels"),
      BrokenFile("PNG that announces no columns", withHeader([(3, 0)]), "corrupt"),
      BrokenFile("PNG with 3 bits per sample", withHeader([(8, 3)]), "corrupt"),
      BrokenFile("PNG with palette indices and no palette", withHeader([(9, 3)]), "corrupt"),
      BrokenFile("PNG without data", assemble([("IHDR", header), ("IEND", [])]), "corrupt"),
    ]
  }

  // MARK: - The formats

  /// Where the marker 0xFF `code` stands.
  static func marker(_ code: UInt8, in bytes: [UInt8], last: Bool = false) throws -> Int {
    struct NoSuchMarker: Error {}
    let places = bytes.indices.dropLast().filter { bytes[$0] == 0xFF && bytes[$0 + 1] == code }
    guard let place = last ? places.last : places.first else { throw NoSuchMarker() }
    return place
  }

  private static func chunks(of png: [UInt8]) -> [(kind: String, data: [UInt8])] {
    var chunks: [(kind: String, data: [UInt8])] = []
    var position = 8
    while position < png.count {
      let length = png[position..<(position + 4)].reduce(0) { $0 << 8 | Int($1) }
      let kind = String(decoding: png[(position + 4)..<(position + 8)], as: UTF8.self)
      chunks.append((kind, Array(png[(position + 8)..<(position + 8 + length)])))
      position += 12 + length
    }
    return chunks
  }

  /// A PNG file of these chunks.
  static func assemble(_ chunks: [(kind: String, data: [UInt8])]) -> [UInt8] {
    var bytes: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
    for chunk in chunks {
      let body = Array(chunk.kind.utf8) + chunk.data
      bytes += bigEndian(UInt32(chunk.data.count)) + body + bigEndian(checksum(body))
    }
    return bytes
  }

  private static func bigEndian(_ value: UInt32) -> [UInt8] {
    [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
  }

  private static func checksum(_ bytes: [UInt8]) -> UInt32 {
    ~bytes.reduce(UInt32.max) { remainder, byte in
      (0..<8).reduce(remainder ^ UInt32(byte)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
    }
  }

  /// A zlib stream of `count` zero bytes, not compressed.
  private static func storedZlib(_ count: Int) -> [UInt8] {
    let length = UInt16(count)
    let lengths: [UInt8] = [length, ~length].flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] }
    let adler = UInt32(count % 65521) << 16 | 1
    return [0x78, 0x01, 0x01] + lengths + [UInt8](repeating: 0, count: count) + bigEndian(adler)
  }
}
