import ImageFormats

/// Windows and OS/2 bitmaps: 1, 4 and 8 bits with a palette, plain or run-length encoded; 16, 24 and 32 bits, with masks or without.
///
/// Our own reader, because no library fits: libnsbmp rounds 16-bit colours in another way than Pillow and shows half a file
/// without a word, and others that read BMP (GDK-Pixbuf, Imlib2, libvips) bring a whole system for pictures with them. The format
/// is simple; all sizes are checked once, before a pixel is read, and the fuzzer tries the rest.
enum BMPDecoder {
  static func header(of bytes: UnsafeRawBufferPointer) throws(ImagingError) -> ImageHeader {
    let bitmap = try Bitmap(bytes)
    return ImageHeader(format: .bmp, storedWidth: bitmap.width, storedHeight: bitmap.height, orientation: .upright)
  }

  /// Decodes the picture into `target`, which has its size. What a palette lacks is black.
  ///
  /// - Precondition: the header was read from these bytes and is within the limits.
  static func decode(_ bytes: UnsafeRawBufferPointer, into target: PixelBuffer) throws(ImagingError) {
    let bitmap = try Bitmap(bytes)
    precondition((bitmap.width, bitmap.height) == (target.width, target.height), "the target has the wrong sides")
    switch bitmap.coding {
    case .plain: try bitmap.readRows(of: bytes, into: target)
    case .runs: try bitmap.readRuns(of: bytes, into: target)
    }
  }
}

/// The header of a bitmap.
private struct Bitmap {
  enum Coding { case plain, runs }

  let width: Int
  let height: Int
  let coding: Coding
  private let isTopDown: Bool
  private let bits: Int
  private let firstPixel: Int
  /// 256 colours of three bytes, where there are 8 bits or fewer.
  private let palette: [UInt8]
  /// Which bits of a pixel are red, green and blue, where there are more.
  private let masks: [UInt32]

  init(_ bytes: UnsafeRawBufferPointer) throws(ImagingError) {
    func number(_ offset: Int, _ count: Int) throws(ImagingError) -> Int {
      guard let value = bytes.integer(at: offset, bytes: count) else {
        throw .truncated(format: .bmp, detail: "the header is cut off")
      }
      return Int(value)
    }
    let headerSize = try number(14, 4)
    var firstPixel = try number(10, 4)
    let compression: Int
    let paletteEntry: Int
    var colours = 0
    switch headerSize {
    case 12:
      (width, height) = (try number(18, 2), try number(20, 2))
      (isTopDown, bits, compression, paletteEntry) = (false, try number(24, 2), 0, 3)
    case 40, 52, 56, 64, 108, 124:
      let signedHeight = Int(Int32(truncatingIfNeeded: try number(22, 4)))
      width = Int(Int32(truncatingIfNeeded: try number(18, 4)))
      (height, isTopDown) = (abs(signedHeight), signedHeight < 0)
      (bits, compression, paletteEntry) = (try number(28, 2), try number(30, 4), 4)
      colours = try number(46, 4)
    default: throw .unsupported(format: .bmp, detail: "a header of \(headerSize) bytes")
    }
    guard width > 0, height > 0 else { throw .corrupt(format: .bmp, detail: "\(width) x \(height) pixels") }
    switch (compression, bits) {
    case (0, 1), (0, 4), (0, 8), (0, 16), (0, 24), (0, 32), (3, 16), (3, 24), (3, 32): coding = .plain
    case (1, 8), (2, 4): coding = .runs
    default: throw .unsupported(format: .bmp, detail: "\(bits) bits a pixel in compression \(compression)")
    }
    let behindHeader = 14 + headerSize
    var masks: [UInt32] = bits == 16 ? [0x7C00, 0x3E0, 0x1F] : [0xFF0000, 0xFF00, 0xFF]
    if compression == 3 {
      let named = [UInt32(try number(54, 4)), UInt32(try number(58, 4)), UInt32(try number(62, 4))]
      if named != [0, 0, 0] { masks = named }
    }
    self.masks = masks
    guard masks.allSatisfy({ Self.isRun($0) }) else {
      throw .unsupported(format: .bmp, detail: "masks of bits that do not lie together")
    }
    var palette = [UInt8](repeating: 0, count: 256 * 3)
    if bits <= 8 {
      let count = colours == 0 ? 1 << bits : min(colours, 256)
      // Some programs say that the pixels begin where the palette does.
      if firstPixel == behindHeader { firstPixel += count * paletteEntry }
      let entries = min(count, max(firstPixel - behindHeader, 0) / paletteEntry)
      for index in 0..<entries {
        let entry = try number(behindHeader + index * paletteEntry, 3)
        for channel in 0..<3 { palette[index * 3 + channel] = UInt8(truncatingIfNeeded: entry >> (16 - channel * 8)) }
      }
    }
    self.palette = palette
    self.firstPixel = firstPixel
  }

  /// Whether the bits that are set lie together; none at all is as good.
  private static func isRun(_ mask: UInt32) -> Bool {
    let run = mask >> UInt32(mask.trailingZeroBitCount & 31)
    return run & (run &+ 1) == 0
  }

  // MARK: Rows

  func readRows(of bytes: UnsafeRawBufferPointer, into target: PixelBuffer) throws(ImagingError) {
    // Rows are padded to four bytes; what pads the last one may be missing.
    let rowBytes = (width * bits + 31) / 32 * 4
    let needed = rowBytes * (height - 1) + (width * bits + 7) / 8
    guard firstPixel <= bytes.count, needed <= bytes.count - firstPixel else {
      throw .truncated(format: .bmp, detail: "\(needed) bytes of pixels from byte \(firstPixel) on, in \(bytes.count)")
    }
    let start = bytes.baseAddress!.assumingMemoryBound(to: UInt8.self) + firstPixel
    for y in 0..<height {
      let row = start + y * rowBytes
      let pixels = target.base + (isTopDown ? y : height - 1 - y) * target.rowBytes
      switch bits {
      case 24 where masks == [0xFF0000, 0xFF00, 0xFF]:
        for x in 0..<width {
          let (from, to) = (row + x &* 3, pixels + x &* 3)
          (to[0], to[1], to[2]) = (from[2], from[1], from[0])
        }
      case 16, 24, 32: readMasked(row, into: pixels)
      default: readIndices(row, into: pixels)
      }
    }
  }

  private func readIndices(_ row: UnsafePointer<UInt8>, into pixels: UnsafeMutablePointer<UInt8>) {
    let largest = UInt8((1 << bits) - 1)
    palette.withUnsafeBufferPointer { palette in
      for x in 0..<width {
        let bit = x &* bits
        let index = Int(row[bit >> 3] >> UInt8(8 &- bits &- bit & 7) & largest)
        for channel in 0..<3 { pixels[x &* 3 &+ channel] = palette[index &* 3 &+ channel] }
      }
    }
  }

  private func readMasked(_ row: UnsafePointer<UInt8>, into pixels: UnsafeMutablePointer<UInt8>) {
    let channels = masks.map { mask in
      let shift = UInt32(mask.trailingZeroBitCount & 31)
      return (mask: mask, shift: shift, largest: UInt64(max(mask >> shift, 1)))
    }
    let bytes = bits / 8
    for x in 0..<width {
      var pixel: UInt32 = 0
      for index in 0..<bytes { pixel |= UInt32(row[x &* bytes &+ index]) << UInt32(index &* 8) }
      for channel in 0..<3 {
        let value = UInt64((pixel & channels[channel].mask) >> channels[channel].shift)
        pixels[x &* 3 &+ channel] = UInt8(truncatingIfNeeded: value &* 255 / channels[channel].largest)
      }
    }
  }

  // MARK: Runs

  /// Runs of one index, or of two in turn where they have 4 bits; and indices as they are, after how many they are. What is left out has
  /// index 0.
  func readRuns(of bytes: UnsafeRawBufferPointer, into target: PixelBuffer) throws(ImagingError) {
    var position = firstPixel
    func next() throws(ImagingError) -> Int {
      guard position < bytes.count else { throw .truncated(format: .bmp, detail: "the runs are cut off") }
      defer { position += 1 }
      return Int(bytes[position])
    }
    func colour(_ index: Int) -> (UInt8, UInt8, UInt8) {
      (palette[index * 3], palette[index * 3 + 1], palette[index * 3 + 2])
    }
    let background = colour(0)
    for place in 0..<(width * height) {
      let pixel = target.base + place * 3
      (pixel[0], pixel[1], pixel[2]) = background
    }
    var (x, y) = (0, 0)
    func put(_ index: Int) throws(ImagingError) {
      guard x < width, y < height else { throw .corrupt(format: .bmp, detail: "a run leaves the picture") }
      let pixel = target.base + ((isTopDown ? y : height - 1 - y) * width + x) * 3
      (pixel[0], pixel[1], pixel[2]) = colour(index)
      x += 1
    }
    while true {
      // All rows are there; the end that should follow may be missing.
      if y == height || y == height - 1 && x == width { return }
      let (count, value) = (try next(), try next())
      switch (count, value) {
      case (0, 0): (x, y) = (0, y + 1)
      case (0, 1): throw .corrupt(format: .bmp, detail: "the runs end before the picture")
      case (0, 2): (x, y) = (x + (try next()), y + (try next()))
      case (0, _):
        let start = position
        for index in 0..<value {
          if bits == 8 {
            try put(try next())
          } else {
            let pair = index % 2 == 0 ? try next() : Int(bytes[position - 1])
            try put(index % 2 == 0 ? pair >> 4 : pair & 15)
          }
        }
        // They take an even number of bytes.
        if (position - start) % 2 == 1 { position += 1 }
      default:
        for index in 0..<count { try put(bits == 8 ? value : index % 2 == 0 ? value >> 4 : value & 15) }
      }
    }
  }
}
