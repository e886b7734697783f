/// The orientation of a picture as its metadata tell it, read as Pillow's `exif_transpose` reads it: from EXIF, and where that has no
/// such tag, from XMP. Damaged metadata count as none, and a number that means nothing as upright: they say nothing about the pixels.
enum OrientationTag {
  /// The orientation that a file's metadata name.
  ///
  /// - Parameters:
  ///   - exif: a TIFF file as EXIF stores it, after `"Exif\0\0"` or without that; nil where there is none.
  ///   - xmp: the XMP packet; nil where there is none.
  static func orientation(exif: UnsafeRawBufferPointer?, xmp: UnsafeRawBufferPointer?) -> ImageOrientation {
    let number = exif.flatMap(number(inEXIF:)) ?? xmp.flatMap(number(inXMP:))
    return number.flatMap(ImageOrientation.init(rawValue:)) ?? .upright
  }

  /// The number under tag 0x0112 of the first directory, 0 for one of a type that holds no number, nil where the tag is not there.
  private static func number(inEXIF bytes: UnsafeRawBufferPointer) -> Int? {
    var tiff = bytes
    // Some programs write the prefix twice.
    for _ in 0..<2 where tiff.starts(with: "Exif\0\0".utf8) {
      tiff = UnsafeRawBufferPointer(rebasing: tiff.dropFirst(6))
    }
    guard tiff.count >= 8 else { return nil }
    let isLittleEndian: Bool
    switch (tiff[0], tiff[1], tiff[2], tiff[3]) {
    // The two bytes of 42 in the wrong order are rare, and understood.
    case (0x49, 0x49, 42, 0), (0x49, 0x49, 0, 42): isLittleEndian = true
    case (0x4D, 0x4D, 0, 42), (0x4D, 0x4D, 42, 0): isLittleEndian = false
    default: return nil
    }
    func integer(at offset: Int, bytes count: Int) -> UInt64? {
      tiff.integer(at: offset, bytes: count, isLittleEndian: isLittleEndian)
    }
    guard let directory = integer(at: 4, bytes: 4).map({ Int($0) }), let entries = integer(at: directory, bytes: 2)
    else { return nil }
    var found: Int?
    for entry in 0..<Int(entries) {
      let offset = directory + 2 + entry * 12
      guard let type = integer(at: offset + 2, bytes: 2), let count = integer(at: offset + 4, bytes: 4),
        let valueOrPlace = integer(at: offset + 8, bytes: 4)
      else { break }
      guard integer(at: offset, bytes: 2) == 0x0112, let width = widths[type], count > 0 else { continue }
      let length = Int(count) * width
      let place = length > 4 ? Int(valueOrPlace) : offset + 8
      guard place + length <= tiff.count, let bits = integer(at: place, bytes: width) else { continue }
      // Of several values the first counts, and of several tags the last.
      switch type {
      case 3, 4, 13: found = Int(bits)
      case 6: found = Int(Int8(truncatingIfNeeded: bits))
      case 8: found = Int(Int16(truncatingIfNeeded: bits))
      case 9: found = Int(Int32(truncatingIfNeeded: bits))
      case 11: found = Int(exactly: Float(bitPattern: UInt32(bits))) ?? 0
      case 12: found = Int(exactly: Double(bitPattern: bits)) ?? 0
      case 5: found = ratio(integer(at: place, bytes: 4)!, integer(at: place + 4, bytes: 4)!)
      case 10:
        func signed(_ offset: Int) -> Int64 { Int64(Int32(truncatingIfNeeded: integer(at: offset, bytes: 4)!)) }
        found = ratio(signed(place), signed(place + 4))
      default: found = 0
      }
    }
    return found
  }

  /// How many bytes a value of each TIFF type has.
  private static let widths: [UInt64: Int] = [
    1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4,
  ]

  private static func ratio<Number: BinaryInteger>(_ numerator: Number, _ denominator: Number) -> Int {
    guard denominator != 0, numerator % denominator == 0 else { return 0 }
    return Int(numerator / denominator)
  }

  /// The digit of the attribute `tiff:Orientation="6"` or of the element `<tiff:Orientation>6`.
  private static func number(inXMP packet: UnsafeRawBufferPointer) -> Int? {
    let name = Array("tiff:Orientation".utf8)
    var rest = packet[...]
    while rest.count > name.count {
      guard let start = rest.firstIndex(of: name[0]) else { return nil }
      rest = rest[start...]
      if rest.starts(with: name) {
        let value = rest.dropFirst(name.count)
        let lead = value.starts(with: "=\"".utf8) ? 2 : value.starts(with: ">".utf8) ? 1 : nil
        if let lead, let digit = value.dropFirst(lead).first, (0x30...0x39).contains(digit) { return Int(digit) - 0x30 }
      }
      rest = rest.dropFirst()
    }
    return nil
  }
}
