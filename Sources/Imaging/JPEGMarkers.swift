/// The one thing that libjpeg does not tell about a JPEG file: the EXIF orientation, found by walking the markers before the
/// first scan. Damaged EXIF data count as none: they say nothing about the pixels.
struct JPEGMarkers {
  /// EXIF orientation, upright where the file names none.
  let orientation: ImageOrientation

  /// Walks the markers of a file that begins like a JPEG.
  init(_ bytes: UnsafeRawBufferPointer) {
    var orientation = ImageOrientation.upright
    var position = 2
    while position + 4 <= bytes.count {
      // Like libjpeg, skip what is no marker, and the fill bytes before one.
      guard bytes[position] == 0xFF, bytes[position + 1] != 0xFF else {
        position += 1
        continue
      }
      let marker = bytes[position + 1]
      if marker == 0x00 || marker == 0x01 || (0xD0...0xD8).contains(marker) {
        position += 2
        continue
      }
      // The first scan or the end of the image: no EXIF is read behind it.
      if marker == 0xDA || marker == 0xD9 { break }
      let length = Int(bytes[position + 2]) << 8 | Int(bytes[position + 3])
      guard length >= 2, position + 2 + length <= bytes.count else { break }
      if marker == 0xE1 {
        let payload = UnsafeRawBufferPointer(rebasing: bytes[(position + 4)..<(position + 2 + length)])
        if let found = Self.orientation(inEXIF: payload) {
          orientation = found
          break
        }
      }
      position += 2 + length
    }
    self.orientation = orientation
  }

  /// Reads tag 0x0112 of the first directory of an APP1 payload, `"Exif\0\0"` and a TIFF header.
  private static func orientation(inEXIF payload: UnsafeRawBufferPointer) -> ImageOrientation? {
    guard payload.count >= 14, payload.prefix(6).elementsEqual([0x45, 0x78, 0x69, 0x66, 0, 0]) else { return nil }
    let tiff = UnsafeRawBufferPointer(rebasing: payload.dropFirst(6))
    let isLittleEndian: Bool
    switch (tiff[0], tiff[1]) {
    case (0x49, 0x49): isLittleEndian = true
    case (0x4D, 0x4D): isLittleEndian = false
    default: return nil
    }
    func integer(at offset: Int, bytes count: Int) -> Int? {
      guard offset >= 0, offset + count <= tiff.count else { return nil }
      var value = 0
      for index in 0..<count {
        value = value << 8 | Int(tiff[offset + (isLittleEndian ? count - 1 - index : index)])
      }
      return value
    }
    guard integer(at: 2, bytes: 2) == 42, let directory = integer(at: 4, bytes: 4),
      let entries = integer(at: directory, bytes: 2)
    else { return nil }
    for entry in 0..<entries {
      let offset = directory + 2 + entry * 12
      guard let tag = integer(at: offset, bytes: 2) else { return nil }
      guard tag == 0x0112 else { continue }
      let shortType = 3
      guard integer(at: offset + 2, bytes: 2) == shortType, let value = integer(at: offset + 8, bytes: 2) else {
        return nil
      }
      return ImageOrientation(rawValue: value)
    }
    return nil
  }
}
