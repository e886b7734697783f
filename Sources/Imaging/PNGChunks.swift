import CPNGReader

/// The orientation of a PNG file, found by walking its chunks, those behind the pixels included. It may be in the chunk that EXIF has
/// in newer files, in a text that older programs write it to, or in XMP.
struct PNGChunks {
  /// The orientation, upright where the file names none.
  let orientation: ImageOrientation

  /// Walks the chunks of a file that begins like a PNG.
  init(_ bytes: UnsafeRawBufferPointer) {
    var exif: UnsafeRawBufferPointer?
    // The last of several counts. They are decompressed when it is known which that is: a file may have tens of thousands.
    var lastProfile: Text?
    var lastXMP: Text?
    var position = 8
    while position + 8 <= bytes.count {
      let length = bytes[position..<(position + 4)].reduce(0) { $0 << 8 | Int($1) }
      guard length <= bytes.count - position - 8 else { break }
      let kind = bytes[(position + 4)..<(position + 8)]
      let content = UnsafeRawBufferPointer(rebasing: bytes[(position + 8)..<(position + 8 + length)])
      if kind.elementsEqual("IEND".utf8) { break }
      if kind.elementsEqual("eXIf".utf8) {
        exif = content
      } else if let text = Text(kind: kind, content: content) {
        if text.keyword.elementsEqual("Raw profile type exif".utf8) {
          lastProfile = text
        } else if text.keyword.elementsEqual("XML:com.adobe.xmp".utf8) {
          lastXMP = text
        } else if text.keyword.elementsEqual("exif".utf8), !text.isCompressed {
          exif = text.value
        }
      }
      // The checksum, too.
      position += 12 + length
    }
    let xmp: [UInt8] = lastXMP?.plain ?? []
    let profile: [UInt8] = exif == nil ? Self.rawProfile(lastProfile?.plain ?? []) : []
    orientation = xmp.withUnsafeBytes { xmp in
      if let exif { return OrientationTag.orientation(exif: exif, xmp: xmp) }
      return profile.withUnsafeBytes { OrientationTag.orientation(exif: $0, xmp: xmp) }
    }
  }

  /// The bytes of a raw profile: three lines with its name and length, and then the bytes in hexadecimal digits.
  private static func rawProfile(_ text: [UInt8]) -> [UInt8] {
    let lines = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropFirst(3)
    let digits = lines.joined().compactMap { Character(Unicode.Scalar($0)).hexDigitValue }
    return stride(from: 1, to: digits.count, by: 2).map { UInt8(digits[$0 - 1] << 4 | digits[$0]) }
  }

  /// A chunk of text: a keyword and a value.
  private struct Text {
    let keyword: Slice<UnsafeRawBufferPointer>
    let value: UnsafeRawBufferPointer
    let isCompressed: Bool

    /// Nil for a chunk of another kind and for a damaged one.
    init?(kind: Slice<UnsafeRawBufferPointer>, content: UnsafeRawBufferPointer) {
      guard let end = content.firstIndex(of: 0) else { return nil }
      keyword = content[..<end]
      var rest = content[(end + 1)...]
      if kind.elementsEqual("tEXt".utf8) {
        isCompressed = false
      } else if kind.elementsEqual("zTXt".utf8) {
        // The method, of which there is one.
        guard rest.popFirst() == 0 else { return nil }
        isCompressed = true
      } else if kind.elementsEqual("iTXt".utf8) {
        guard let compression = rest.popFirst(), rest.popFirst() == 0 else { return nil }
        isCompressed = compression != 0
        // The language, and the keyword in it.
        for _ in 0..<2 {
          guard let end = rest.firstIndex(of: 0) else { return nil }
          rest = rest[(end + 1)...]
        }
      } else {
        return nil
      }
      value = UnsafeRawBufferPointer(rebasing: rest)
    }

    /// More than any metadata; a text that grows beyond it is a bomb.
    private static let longest = 1 << 20

    /// The value in plain bytes, nil where it is damaged or too long.
    var plain: [UInt8]? {
      guard isCompressed else { return value.count <= Self.longest ? Array(value) : nil }
      let source = value.bindMemory(to: UInt8.self)
      var count = 0
      let bytes = [UInt8](unsafeUninitializedCapacity: Self.longest) { memory, initializedCount in
        count = png_text_decompress(source.baseAddress, source.count, memory.baseAddress, memory.count)
        initializedCount = max(count, 0)
      }
      return count < 0 ? nil : bytes
    }
  }
}
