import Foundation
import Imaging
import Testing

@Suite("Orientation")
struct OrientationTests {
  /// A picture of a size that no reduction divides, as a JPEG file that says how it is stored.
  private static func file(width: Int, height: Int, orientation: ImageOrientation) throws -> [UInt8] {
    let source = RGBImage(width: width, height: height)
    for y in 0..<height {
      for x in 0..<width {
        let pixel = source.pixels.base + (y * width + x) * 3
        (pixel[0], pixel[1]) = (UInt8(x * 255 / (width - 1)), UInt8(y * 255 / (height - 1)))
        pixel[2] = UInt8(127.5 + 100 * sin(Double(x) / 37) * cos(Double(y) / 41))
      }
    }
    let whole = try JPEGFile.encode(source.pixels, quality: 95)
    return whole[..<2] + app1(exif(value: orientation.rawValue)) + whole[2...]
  }

  /// Decoding in full, which turns whole pixels, is what reduced decoding is measured with.
  @Test(
    "a JPEG decoded smaller is the same picture, however it is stored and whatever its sides are",
    arguments: ImageOrientation.allCases, [(515, 387), (513, 386), (519, 512), (512, 384)])
  func reducedDecoding(orientation: ImageOrientation, sides: (width: Int, height: Int)) throws {
    let bytes = try Self.file(width: sides.width, height: sides.height, orientation: orientation)
    let decoder = ImageDecoder()
    let whole = try decoder.decode(bytes)
    let reduced = RGBImage(width: 1, height: 1)
    for reduction in [DecodeReduction.half, .quarter, .eighth] {
      try bytes.withUnsafeBytes { try decoder.decode($0, reduction: reduction, into: reduced) }
      let inner = CropRectangle(x: 33, y: 50, width: whole.width - 100, height: whole.height - 90)
      let corner = CropRectangle(x: whole.width - 200, y: whole.height - 203, width: 200, height: 203)
      for crop in [whole.fullFrame, inner, corner] {
        let expected = RGBImage(width: 24, height: 24)
        let result = RGBImage(width: 24, height: 24)
        expected.pixels.resizedCrop(from: whole, crop, workspace: PixelWorkspace())
        result.pixels.resizedCrop(from: reduced, crop, workspace: PixelWorkspace())
        let difference = Difference(result, expected)
        #expect(difference.mean < 0.8, "\(reduction), \(crop): \(difference)")
        #expect(difference.largest <= 5, "\(reduction), \(crop): \(difference)")
      }
    }
  }

  @Test("is not applied where it is not wanted")
  func notApplied() throws {
    let bytes = try [UInt8](Goldens.contents(of: "orientation-6.jpg"))
    let header = try bytes.withUnsafeBytes { try ImageDecoder(appliesOrientation: false).header(of: $0) }
    #expect((header.width, header.height, header.orientation) == (24, 17, .upright))
    let stored = try ImageDecoder(appliesOrientation: false).decode(bytes)
    #expect((stored.width, stored.height) == (24, 17))
  }

  // What is expected here is what Pillow 13 gives: Tests/System/test_pictures.py asks it.

  @Test("is read from every type of number that EXIF has", arguments: [Endianness.little, .big])
  func types(order: Endianness) throws {
    for type in [3, 4, 6, 8, 9, 13] { #expect(try orientation(exif: exif(type: type, value: 6, order)) == .turnedLeft) }
    // A number as text or as a bare byte is none.
    for type in [1, 2, 7] { #expect(try orientation(exif: exif(type: type, value: 6, order)) == .upright) }
    for value in [0, 9, 65535] { #expect(try orientation(exif: exif(value: value, order)) == .upright) }
  }

  @Test("of the last of several tags, and the first of several values")
  func several() throws {
    let twice = exif(entries: [(3, 1, 8), (3, 1, 6)], .little)
    #expect(try orientation(exif: twice) == .turnedLeft)
    let values = exif(entries: [(3, 2, 6 | 8 << 16)], .little)
    #expect(try orientation(exif: values) == .turnedLeft)
  }

  @Test("damaged EXIF data is none")
  func damaged() throws {
    let whole = exif(value: 6)
    // The last four bytes say where the next directory is.
    for length in 0..<(whole.count - 4) { #expect(try orientation(exif: Array(whole.prefix(length))) == .upright) }
  }

  @Test("is read from XMP where EXIF does not have it")
  func xmp() throws {
    let name = Array("http://ns.adobe.com/xap/1.0/\0".utf8)
    for text in [
      "<x tiff:Orientation=\"6\"/>", "tiff:Orientation tiff:Orientation <tiff:Orientation>6</tiff:Orientation>",
    ] {
      #expect(try orientation(segments: [name + text.utf8]) == .turnedLeft)
      #expect(try orientation(segments: [name + text.utf8, exif(value: 3)]) == .upsideDown)
      #expect(try orientation(segments: [exif(entries: [], .little), name + text.utf8]) == .turnedLeft)
      // A tag that means nothing is still a tag.
      #expect(try orientation(segments: [exif(value: 0), name + text.utf8]) == .upright)
    }
  }

  @Test("is read from EXIF that takes two segments")
  func twoSegments() throws {
    let whole = exif(value: 6)
    #expect(try orientation(segments: [Array(whole[..<16]), Array("Exif\0\0".utf8) + whole[16...]]) == .turnedLeft)
  }

  @Test(
    "is read from PNG: its own chunk, a raw profile, XMP, before the pixels and behind them", arguments: [false, true])
  func png(isBehind: Bool) throws {
    let plain = Array(exif(value: 6).dropFirst(6))
    let profile = rawProfile(exif(value: 6))
    let xmp = "<x tiff:Orientation=\"6\"/>"
    // Compressed by zlib: `profile` and `xmp` as stored blocks.
    let chunks: [(String, [UInt8])] = [
      ("eXIf", plain),
      ("tEXt", Array("Raw profile type exif\0\(profile)".utf8)),
      ("zTXt", Array("Raw profile type exif\0\0".utf8) + storedZlib(Array(profile.utf8))),
      ("iTXt", Array("XML:com.adobe.xmp\0\0\0\0\0\(xmp)".utf8)),
      ("iTXt", Array("XML:com.adobe.xmp\0\u{1}\0\0\0".utf8) + storedZlib(Array(xmp.utf8))),
    ]
    let file = try [UInt8](Goldens.contents(of: "rgb-8.png"))
    for (kind, content) in chunks {
      let chunk = pngChunk(kind, content)
      let place = isBehind ? file.count - 12 : 33
      let bytes = file[..<place] + chunk + file[place...]
      let header = try Array(bytes).withUnsafeBytes { try ImageDecoder().header(of: $0) }
      #expect(header.orientation == .turnedLeft, "\(kind)")
      #expect((header.width, header.height) == (23, 29))
      #expect(try ImageDecoder().decode(Array(bytes)).width == 23)
    }
  }

  @Test("is that of a PNG's last text of a kind", arguments: [false, true])
  func lastText(isCompressed: Bool) throws {
    func profile(_ value: Int) -> [UInt8] { profileChunk(rawProfile(exif(value: value)), isCompressed: isCompressed) }
    func packet(_ value: Int) -> [UInt8] {
      packetChunk("<x tiff:Orientation=\"\(value)\"/>", isCompressed: isCompressed)
    }
    for values in [[6], [3, 6], [6, 3], [8, 1, 6, 3]] {
      let last = ImageOrientation(rawValue: values[values.count - 1])
      #expect(try orientation(chunks: values.map(profile)) == last)
      #expect(try orientation(chunks: values.map(packet)) == last)
      #expect(try orientation(chunks: values.map(profile) + values.reversed().map(packet)) == last)
    }
    // One that is damaged counts too, as none.
    let broken = pngChunk("zTXt", Array("Raw profile type exif\0\0".utf8) + [1, 2, 3])
    #expect(try orientation(chunks: [profile(6), broken]) == .upright)
    #expect(try orientation(chunks: [broken, profile(6)]) == .turnedLeft)
  }

  @Test("is read from text of a PNG up to a megabyte", arguments: [false, true])
  func longText(isCompressed: Bool) throws {
    func padded(_ text: String, to count: Int) -> String {
      text + String(repeating: "\n", count: count - text.utf8.count)
    }
    for (count, expected) in [(1 << 20, ImageOrientation.turnedLeft), (1 << 20 + 1, .upright)] {
      let profile = profileChunk(padded(rawProfile(exif(value: 6)), to: count), isCompressed: isCompressed)
      #expect(try orientation(chunks: [profile]) == expected)
      let packet = packetChunk(padded("<x tiff:Orientation=\"6\"/>", to: count), isCompressed: isCompressed)
      #expect(try orientation(chunks: [packet]) == expected)
    }
  }

  @Test("text of a PNG that grows without end is not read")
  func bomb() throws {
    let text = [UInt8](repeating: 32, count: 2 << 20) + "\n\n\n".utf8
    let chunk = pngChunk("zTXt", Array("Raw profile type exif\0\0".utf8) + storedZlib(text))
    let file = try [UInt8](Goldens.contents(of: "rgb-8.png"))
    let header = try Array(file[..<33] + chunk + file[33...]).withUnsafeBytes { try ImageDecoder().header(of: $0) }
    #expect(header.orientation == .upright)
  }
}

enum Endianness: Sendable { case little, big }

/// EXIF data with one directory of orientation tags: type, count, and the four bytes of the value as a number.
private func exif(entries: [(type: Int, count: Int, value: Int)], _ order: Endianness) -> [UInt8] {
  func integer(_ value: Int, _ count: Int) -> [UInt8] {
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
    return order == .little ? bytes : bytes.reversed()
  }
  let mark = order == .little ? "II" : "MM"
  var bytes = Array("Exif\0\0\(mark)".utf8) + integer(42, 2) + integer(8, 4) + integer(entries.count, 2)
  for entry in entries {
    bytes += integer(0x0112, 2) + integer(entry.type, 2) + integer(entry.count, 4) + integer(entry.value, 4)
  }
  return bytes + integer(0, 4)
}

/// EXIF data with one orientation of a type.
private func exif(type: Int = 3, value: Int, _ order: Endianness = .little) -> [UInt8] {
  let width = [3: 2, 8: 2, 4: 4, 9: 4, 13: 4][type] ?? 1
  // A value shorter than its field lies at the field's beginning.
  return exif(entries: [(type, 1, order == .little ? value : value << ((4 - width) * 8))], order)
}

private func app1(_ payload: [UInt8]) -> [UInt8] {
  [0xFF, 0xE1, UInt8((payload.count + 2) >> 8), UInt8((payload.count + 2) & 0xFF)] + payload
}

/// The orientation that a JPEG file with these segments has.
private func orientation(segments: [[UInt8]]) throws -> ImageOrientation {
  let file = try [UInt8](Goldens.contents(of: "one-pixel.jpg"))
  let bytes = file[..<2] + segments.flatMap(app1) + file[2...]
  return try Array(bytes).withUnsafeBytes { try ImageDecoder().header(of: $0) }.orientation
}

private func orientation(exif: [UInt8]) throws -> ImageOrientation { try orientation(segments: [exif]) }

/// The orientation that a PNG file with these chunks has.
private func orientation(chunks: [[UInt8]]) throws -> ImageOrientation {
  let file = try [UInt8](Goldens.contents(of: "rgb-8.png"))
  let bytes = file[..<33] + chunks.flatMap { $0 } + file[33...]
  return try Array(bytes).withUnsafeBytes { try ImageDecoder().header(of: $0) }.orientation
}

/// EXIF data as the text that ImageMagick makes of them.
private func rawProfile(_ exif: [UInt8]) -> String {
  let digits = exif.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
  return "\nexif\n      32\n\(digits.prefix(36))\n\(digits.dropFirst(36))\n"
}

/// A chunk of text with a raw profile.
private func profileChunk(_ text: String, isCompressed: Bool) -> [UInt8] {
  let keyword = Array("Raw profile type exif\0".utf8)
  return isCompressed
    ? pngChunk("zTXt", keyword + [0] + storedZlib(Array(text.utf8))) : pngChunk("tEXt", keyword + text.utf8)
}

/// A chunk of international text with an XMP packet.
private func packetChunk(_ text: String, isCompressed: Bool) -> [UInt8] {
  let head = Array("XML:com.adobe.xmp\0".utf8) + [isCompressed ? 1 : 0, 0, 0, 0]
  return pngChunk("iTXt", head + (isCompressed ? storedZlib(Array(text.utf8)) : Array(text.utf8)))
}

private func pngChunk(_ kind: String, _ content: [UInt8]) -> [UInt8] {
  BrokenFile.assemble([(kind, content)]).suffix(content.count + 12)
}

/// A zlib stream that holds bytes uncompressed.
private func storedZlib(_ bytes: [UInt8]) -> [UInt8] {
  var stream: [UInt8] = [0x78, 0x01]
  for start in stride(from: 0, to: bytes.count, by: 65_535) {
    let block = bytes[start..<min(start + 65_535, bytes.count)]
    let length = UInt16(block.count)
    stream.append(block.endIndex == bytes.count ? 1 : 0)
    for value in [length, ~length] { stream += [UInt8(truncatingIfNeeded: value), UInt8(value >> 8)] }
    stream += block
  }
  var (low, high) = (UInt32(1), UInt32(0))
  for byte in bytes {
    low = (low + UInt32(byte)) % 65_521
    high = (high + low) % 65_521
  }
  return stream + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: (high << 16 | low) >> $0) }
}
