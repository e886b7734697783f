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
    do {
      return try foreign() + brokenJPEG() + brokenPNG() + brokenWebP() + brokenTIFF() + brokenBMP() + brokenNetpbm()
        + brokenGIF()
    } catch {
      fatalError("golden files are missing: \(error)")
    }
  }()

  private static func foreign() throws -> [BrokenFile] {
    [
      BrokenFile("zero bytes", [], "empty"),
      BrokenFile("one byte", [0xFF], "unknown-format"),
      BrokenFile("text under a picture's name", Array("This is no picture.\n".utf8), "unknown-format"),
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

  private static func brokenWebP() throws -> [BrokenFile] {
    let lossy = try [UInt8](Goldens.contents(of: "lossy.webp"))
    let lossless = try [UInt8](Goldens.contents(of: "lossless.webp"))
    let animated = try [UInt8](Goldens.contents(of: "animated.webp"))
    let transparent = try [UInt8](Goldens.contents(of: "lossy-alpha.webp"))
    // The sides of a lossless picture: 14 bits each, one less, behind the signature in the first chunk.
    var bomb = lossless
    for (index, value) in [(21, 0xFF), (22, 0xFF), (23, 0xFF), (24, 0x0F)] as [(Int, UInt8)] { bomb[index] = value }
    var damaged = lossless
    for index in 40..<60 { damaged[index] = ~damaged[index] }
    // The canvas of an extended file, in 24 bits, one less.
    var otherCanvas = transparent
    otherCanvas[24] += 1
    var outside = animated
    outside[24] -= 1
    return [
      BrokenFile("WebP signature alone", Array(lossy.prefix(12)), "truncated"),
      BrokenFile("WebP cut in its header", Array(lossy.prefix(25)), "truncated"),
      BrokenFile("lossy WebP cut in its data", Array(lossy.prefix(lossy.count / 2)), "truncated"),
      BrokenFile("lossless WebP cut in its data", Array(lossless.prefix(lossless.count / 2)), "truncated"),
      BrokenFile("animated WebP cut in its first frame", Array(animated.prefix(120)), "truncated"),
      BrokenFile("WebP that announces 16384 x 16384", bomb, "too-many-pixels"),
      BrokenFile("lossless WebP with damaged data", damaged, "corrupt"),
      BrokenFile("WebP of another size than its canvas", otherCanvas, "corrupt"),
      BrokenFile("animated WebP whose frame is larger than its canvas", outside, "corrupt"),
    ]
  }

  private static func brokenTIFF() throws -> [BrokenFile] {
    let plain = try [UInt8](Goldens.contents(of: "rgb-8-strips-little.tiff"))
    let packed = try [UInt8](Goldens.contents(of: "rgb-tiff_lzw.tiff"))
    let tiled = try [UInt8](Goldens.contents(of: "rgb-8-tiles-little.tiff"))
    let ycc = try [UInt8](Goldens.contents(of: "ycc-jpeg.tiff"))
    let fax = try [UInt8](Goldens.contents(of: "bits-group4.tiff"))
    let gray = try [UInt8](Goldens.contents(of: "gray-4-little.tiff"))
    let swapped = try [UInt8](Goldens.contents(of: "rgb-8-strips-big.tiff"))
    let longOffsets = try [UInt8](Goldens.contents(of: "big.tiff"))
    func changed(_ bytes: [UInt8], _ tags: [Int: UInt32]) throws -> [UInt8] {
      var bytes = bytes
      for (tag, value) in tags { try setTag(tag, to: value, in: &bytes) }
      return bytes
    }
    func damaged(_ bytes: [UInt8]) throws -> [UInt8] {
      var bytes = bytes
      let start = Int(try tag(273, in: bytes))
      for index in 20..<40 { bytes[start + index] = ~bytes[start + index] }
      return bytes
    }
    return [
      BrokenFile("TIFF signature alone", Array(plain.prefix(4)), "truncated"),
      BrokenFile("TIFF cut before its directory", Array(plain.prefix(plain.count / 2)), "truncated"),
      BrokenFile("TIFF cut in its directory", plain.dropLast(100), "truncated"),
      BrokenFile("TIFF whose data lie behind its end", try changed(packed, [273: 1 << 20]), "truncated"),
      BrokenFile("TIFF without columns", try changed(plain, [256: 0]), "corrupt"),
      BrokenFile(
        "TIFF that announces 60000 x 60000", try changed(packed, [256: 60_000, 257: 60_000]), "too-many-pixels"),
      BrokenFile("TIFF of more rows than data", try changed(plain, [257: 200]), "corrupt"),
      BrokenFile("TIFF with tiles of 60000 x 60000", try changed(tiled, [322: 60_000, 323: 60_000]), "corrupt"),
      BrokenFile(
        "TIFF of one row in high tiles", try changed(tiled, [256: 60_000, 257: 1, 323: 65_520]), "corrupt"),
      BrokenFile("TIFF with damaged LZW data", try damaged(packed), "corrupt"),
      BrokenFile("TIFF with damaged fax data", try damaged(fax), "corrupt"),
      BrokenFile("TIFF with a damaged JPEG in it", try damaged(ycc), "corrupt"),
      BrokenFile("TIFF with a compression that there is not", try changed(plain, [259: 999]), "unsupported"),
      BrokenFile(
        "TIFF with LZMA, which takes as much memory as it wants", try changed(plain, [259: 34925]), "unsupported"),
      BrokenFile("TIFF in L*a*b*", try changed(plain, [262: 8]), "unsupported"),
      BrokenFile("TIFF with a palette that is not there", try changed(gray, [262: 3]), "corrupt"),
      BrokenFile(
        "TIFF whose tags share all their values", sharingValues(plain, tags: 40, padding: 1 << 16), "corrupt"),
      BrokenFile("the same, big-endian", sharingValues(swapped, tags: 40, padding: 1 << 16), "corrupt"),
      BrokenFile("the same, as BigTIFF", sharingValues(longOffsets, tags: 40, padding: 1 << 16), "corrupt"),
      BrokenFile(
        "TIFF whose tags share values that go on behind its end",
        sharingValues(plain, tags: 40, padding: 1 << 16, excess: 1 << 20), "corrupt"),
    ]
  }

  private static func brokenBMP() throws -> [BrokenFile] {
    let plain = try [UInt8](Goldens.contents(of: "rgb.bmp"))
    let runs = try [UInt8](Goldens.contents(of: "runs-8.bmp"))
    func changed(_ bytes: [UInt8], _ changes: [(offset: Int, value: UInt8)]) -> [UInt8] {
      var bytes = bytes
      for change in changes { bytes[change.offset] = change.value }
      return bytes
    }
    let firstRun = Int(runs[10]) | Int(runs[11]) << 8
    return [
      BrokenFile("BMP cut in its header", Array(plain.prefix(30)), "truncated"),
      BrokenFile("BMP cut in its palette", Array(runs.prefix(80)), "truncated"),
      BrokenFile("BMP cut in its rows", plain.dropLast(100), "truncated"),
      BrokenFile("BMP cut in its runs", runs.dropLast(100), "truncated"),
      BrokenFile("BMP without columns", changed(plain, [(18, 0)]), "corrupt"),
      BrokenFile(
        "BMP that announces 65535 x 65535", changed(plain, [(18, 255), (19, 255), (22, 255), (23, 255)]),
        "too-many-pixels"),
      BrokenFile("BMP with a run that is longer than its row", changed(runs, [(firstRun, 200)]), "corrupt"),
      BrokenFile(
        "BMP whose runs end before the picture", changed(runs, [(firstRun, 0), (firstRun + 1, 1)]), "corrupt"),
      BrokenFile("BMP that holds a JPEG", changed(plain, [(30, 4)]), "unsupported"),
      BrokenFile("BMP with 2 bits a pixel", changed(plain, [(28, 2)]), "unsupported"),
      BrokenFile("BMP with a header of 41 bytes", changed(plain, [(14, 41)]), "unsupported"),
    ]
  }

  private static func brokenNetpbm() throws -> [BrokenFile] {
    let binary = try [UInt8](Goldens.contents(of: "binary.ppm"))
    let text = try [UInt8](Goldens.contents(of: "text.pgm"))
    return [
      BrokenFile("PPM without a size", Array("P6\n".utf8), "truncated"),
      BrokenFile("PPM cut in its data", binary.dropLast(1), "truncated"),
      BrokenFile("PGM cut in its text", Array(text.prefix(text.count / 2)), "truncated"),
      BrokenFile("PPM that announces 60000 x 60000", Array("P6 60000 60000 255\n".utf8), "too-many-pixels"),
      BrokenFile("PPM that announces more than there are numbers", Array("P6 99999999999 9 255\n".utf8), "corrupt"),
      BrokenFile("PPM without columns", Array("P6 0 9 255\n".utf8), "corrupt"),
      BrokenFile("PPM whose white is 0", Array("P6 1 1 0\n...".utf8), "corrupt"),
      BrokenFile("PPM whose white is 65536", Array("P6 1 1 65536\n......".utf8), "corrupt"),
      BrokenFile("PGM with a word among its numbers", Array("P2 2 1 9\n1 one".utf8), "corrupt"),
      BrokenFile("PGM with a sample above the largest", Array("P2 2 1 9\n1 10\n".utf8), "corrupt"),
      BrokenFile("PBM with a 2", Array("P1 2 1\n12".utf8), "corrupt"),
    ]
  }

  private static func brokenGIF() throws -> [BrokenFile] {
    let whole = try [UInt8](Goldens.contents(of: "in-order.gif"))
    let descriptor = try #require(whole.indices.first { whole[$0] == 0x2C && $0 >= 13 + 48 })
    func changed(_ changes: [(offset: Int, value: UInt8)]) -> [UInt8] {
      var bytes = whole
      for change in changes { bytes[change.offset] = change.value }
      return bytes
    }
    let wide: [(offset: Int, value: UInt8)] = [5, 6, 7, 8].map { (descriptor + $0, 0xFF) }
    return [
      BrokenFile("GIF signature alone", Array(whole.prefix(6)), "truncated"),
      BrokenFile("GIF cut in its palette", Array(whole.prefix(20)), "truncated"),
      BrokenFile("GIF without a frame", whole.prefix(descriptor) + [0x3B], "corrupt"),
      BrokenFile("GIF cut before its frame", Array(whole.prefix(descriptor)), "truncated"),
      BrokenFile("GIF cut in its data", Array(whole.prefix((descriptor + whole.count) / 2)), "truncated"),
      BrokenFile("GIF whose frame announces 65535 x 65535", changed(wide), "too-many-pixels"),
      BrokenFile("GIF whose frame has no columns", changed([(descriptor + 5, 0)]), "corrupt"),
      BrokenFile(
        "GIF with a code that there is not", changed([(descriptor + 12, 0xFF), (descriptor + 13, 0xFF)]), "corrupt"),
    ]
  }

  // MARK: - The formats

  private struct NoSuchTag: Error {}

  /// Where the value of a tag stands in a small-endian TIFF file.
  private static func place(of tag: Int, in tiff: [UInt8]) throws -> Int {
    func number(_ offset: Int, _ count: Int) -> Int {
      (0..<count).reduce(0) { $0 | Int(tiff[offset + $1]) << (8 * $1) }
    }
    let directory = number(4, 4)
    for entry in 0..<number(directory, 2) {
      let offset = directory + 2 + entry * 12
      if number(offset, 2) == tag { return offset + 8 }
    }
    throw NoSuchTag()
  }

  /// The value of a tag that has one, or where its values lie.
  private static func tag(_ tag: Int, in tiff: [UInt8]) throws -> UInt32 {
    let place = try place(of: tag, in: tiff)
    return (0..<4).reduce(0) { $0 | UInt32(tiff[place + $1]) << (8 * $1) }
  }

  private static func setTag(_ tag: Int, to value: UInt32, in tiff: inout [UInt8]) throws {
    let place = try place(of: tag, in: tiff)
    for index in 0..<4 { tiff[place + index] = UInt8(truncatingIfNeeded: value >> (8 * index)) }
  }

  /// A TIFF file with `padding` bytes and its directory once more at its end, where that has `count` tags that nobody knows. The values of
  /// each of them are the same bytes: all that come before the directory, and `excess` more.
  static func sharingValues(_ tiff: [UInt8], tags count: Int, padding: Int, excess: Int = 0) -> [UInt8] {
    let isLittleEndian = tiff[0] == UInt8(ascii: "I")
    let isBigTIFF = tiff[2] + tiff[3] == 43
    let (width, countWidth, entrySize) = isBigTIFF ? (8, 8, 20) : (4, 2, 12)
    func number(_ offset: Int, _ width: Int) -> Int {
      (0..<width).reduce(0) { $0 << 8 | Int(tiff[offset + (isLittleEndian ? width - 1 - $1 : $1)]) }
    }
    func integer(_ value: Int, _ width: Int) -> [UInt8] {
      let bytes = (0..<width).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
      return isLittleEndian ? bytes : bytes.reversed()
    }
    let former = number(width, width)
    let known = number(former, countWidth)
    let firstEntry = former + countWidth
    // Directories begin at even places.
    var file = tiff + [UInt8](repeating: 0, count: padding + tiff.count % 2)
    let place = file.count
    file.replaceSubrange(width..<(2 * width), with: integer(place, width))
    file += integer(known + count, countWidth)
    file += tiff[firstEntry..<(firstEntry + known * entrySize)]
    for tag in 0..<count {
      file += integer(40_000 + tag, 2) + integer(7, 2) + integer(place + excess, width) + integer(0, width)
    }
    return file + integer(0, width)
  }

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
