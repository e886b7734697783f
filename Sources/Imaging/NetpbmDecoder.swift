import ImageFormats

/// The formats of Netpbm: PBM, PGM and PPM, in binary or as text, with 1 to 16 bits a sample.
///
/// Our own reader: libnetpbm ends the process where a file is broken, and what it would do is short.
enum NetpbmDecoder {
  static func header(of bytes: UnsafeRawBufferPointer) throws(ImagingError) -> ImageHeader {
    let file = try NetpbmFile(bytes)
    return ImageHeader(format: .netpbm, storedWidth: file.width, storedHeight: file.height, orientation: .upright)
  }

  /// Decodes the first picture into `target`, which has its size.
  ///
  /// - Precondition: the header was read from these bytes and is within the limits.
  static func decode(_ bytes: UnsafeRawBufferPointer, into target: PixelBuffer) throws(ImagingError) {
    var file = try NetpbmFile(bytes)
    precondition((file.width, file.height) == (target.width, target.height), "the target has the wrong sides")
    try file.readPixels(into: target)
  }
}

/// A file of Netpbm, read up to its first sample.
private struct NetpbmFile {
  let width: Int
  let height: Int
  /// What stands for white: 1...65535.
  private let largest: Int
  /// Samples of a pixel: 1 or 3.
  private let channels: Int
  /// One bit a sample, and 1 is black.
  private let isBitmap: Bool
  private let isText: Bool
  private let bytes: UnsafeRawBufferPointer
  private var position: Int

  init(_ bytes: UnsafeRawBufferPointer) throws(ImagingError) {
    let kind = bytes[1] - UInt8(ascii: "0")
    var text = NetpbmText(bytes: bytes, position: 2)
    isText = kind <= 3
    isBitmap = kind == 1 || kind == 4
    channels = kind == 3 || kind == 6 ? 3 : 1
    width = try text.nextNumber()
    height = try text.nextNumber()
    largest = isBitmap ? 1 : try text.nextNumber()
    guard width > 0, height > 0 else { throw .corrupt(format: .netpbm, detail: "\(width) x \(height) pixels") }
    guard (1...65535).contains(largest) else {
      throw .corrupt(format: .netpbm, detail: "samples of up to \(largest); 1 to 65535 are possible")
    }
    self.bytes = bytes
    // One white space, and then the samples.
    position = text.position + 1
  }

  mutating func readPixels(into target: PixelBuffer) throws(ImagingError) {
    if isText {
      try readText(into: target)
    } else {
      try readBinary(into: target)
    }
  }

  private func readBinary(into target: PixelBuffer) throws(ImagingError) {
    let samples = width * channels
    let rowBytes = isBitmap ? (width + 7) / 8 : samples * (largest > 255 ? 2 : 1)
    guard position <= bytes.count, rowBytes * height <= bytes.count - position else {
      throw .truncated(format: .netpbm, detail: "\(rowBytes * height) bytes of samples from byte \(position) on")
    }
    let start = bytes.baseAddress!.assumingMemoryBound(to: UInt8.self) + position
    for y in 0..<height {
      let row = start + y * rowBytes
      let pixels = target.base + y * target.rowBytes
      if channels == 3, largest == 255 {
        pixels.update(from: row, count: rowBytes)
        continue
      }
      for index in 0..<samples {
        let value =
          isBitmap
          ? 1 - Int(row[index >> 3] >> UInt8(7 - index & 7) & 1)
          : largest > 255 ? Int(row[index * 2]) << 8 | Int(row[index * 2 + 1]) : Int(row[index])
        put(value, at: index, into: pixels)
      }
    }
  }

  private func readText(into target: PixelBuffer) throws(ImagingError) {
    var text = NetpbmText(bytes: bytes, position: position)
    for y in 0..<height {
      let pixels = target.base + y * target.rowBytes
      for index in 0..<(width * channels) {
        let value = isBitmap ? 1 - (try text.nextBit()) : try text.nextNumber()
        guard value <= largest else {
          throw .corrupt(format: .netpbm, detail: "a sample of \(value) where \(largest) is the largest")
        }
        put(value, at: index, into: pixels)
      }
    }
  }

  /// Writes a sample of a row, rounded to 8 bits.
  private func put(_ value: Int, at index: Int, into pixels: UnsafeMutablePointer<UInt8>) {
    let sample = largest == 255 ? value : (min(value, largest) &* 510 &+ largest) / (largest &* 2)
    if channels == 3 {
      pixels[index] = UInt8(truncatingIfNeeded: sample)
    } else {
      for channel in 0..<3 { pixels[index &* 3 &+ channel] = UInt8(truncatingIfNeeded: sample) }
    }
  }
}

/// Numbers with white space and comments between them.
private struct NetpbmText {
  let bytes: UnsafeRawBufferPointer
  var position: Int

  mutating func nextNumber() throws(ImagingError) -> Int {
    try skipSpace()
    var value = 0
    let start = position
    while position < bytes.count, let digit = Self.digit(bytes[position]), position - start < 10 {
      value = value * 10 + digit
      position += 1
    }
    guard position > start else { throw unexpected() }
    guard position < bytes.count else { return value }
    guard Self.isSpace(bytes[position]) || bytes[position] == UInt8(ascii: "#") else { throw unexpected() }
    return value
  }

  /// The next 0 or 1, which need no space between them.
  mutating func nextBit() throws(ImagingError) -> Int {
    try skipSpace()
    guard let digit = Self.digit(bytes[position]), digit <= 1 else { throw unexpected() }
    position += 1
    return digit
  }

  /// Goes to the next byte that is neither white space nor comment.
  private mutating func skipSpace() throws(ImagingError) {
    var isComment = false
    while position < bytes.count {
      let byte = bytes[position]
      if byte == UInt8(ascii: "#") { isComment = true }
      guard isComment || Self.isSpace(byte) else { return }
      if byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") { isComment = false }
      position += 1
    }
    throw .truncated(format: .netpbm, detail: "a number is missing")
  }

  private func unexpected() -> ImagingError {
    .corrupt(format: .netpbm, detail: "byte \(position) is no part of a number")
  }

  private static func digit(_ byte: UInt8) -> Int? {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) ? Int(byte - UInt8(ascii: "0")) : nil
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 32 || (9...13).contains(byte) }
}
