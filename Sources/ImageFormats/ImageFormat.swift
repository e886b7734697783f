/// The file formats that can be decoded. What a file holds is told by its first bytes and never by its name; which files of a folder are
/// looked at is told by their names alone, as torchvision's `ImageFolder` does.
package enum ImageFormat: String, Sendable, CaseIterable {
  /// JPEG: baseline or progressive; grayscale, YCbCr, RGB, CMYK or YCCK; 8 bits per sample.
  case jpeg
  /// PNG: 1 to 16 bits, gray, colour or palette, with or without alpha, interlaced or not.
  case png
  /// WebP: lossy or lossless, with or without alpha; the first frame of an animation.
  case webp
  /// TIFF and BigTIFF: the first page; 1 to 16 bits, gray, colour, palette, CMYK or YCbCr; in strips or tiles.
  case tiff
  /// Windows and OS/2 bitmaps: 1 to 32 bits, plain or run-length encoded.
  case bmp
  /// PBM, PGM and PPM of Netpbm, binary or text.
  case netpbm
  /// GIF: the first frame.
  case gif

  /// The format's name as people write it.
  package var name: String {
    switch self {
    case .jpeg: "JPEG"
    case .png: "PNG"
    case .webp: "WebP"
    case .tiff: "TIFF"
    case .bmp: "BMP"
    case .netpbm: "PBM/PGM/PPM"
    case .gif: "GIF"
    }
  }

  /// The names of all formats in a row, for a sentence.
  package static var names: String {
    let names = allCases.map(\.name)
    return names.dropLast().joined(separator: ", ") + " or " + names[names.count - 1]
  }

  /// The endings under which `ImageFolder` takes a file for an image, in lower case. It takes no GIF, which is so decoded only where
  /// it has another name, or a list names it.
  var listedExtensions: [String] {
    switch self {
    case .jpeg: [".jpg", ".jpeg"]
    case .png: [".png"]
    case .webp: [".webp"]
    case .tiff: [".tif", ".tiff"]
    case .bmp: [".bmp"]
    case .netpbm: [".ppm", ".pgm"]
    case .gif: []
    }
  }

  /// The format that `bytes` begin like, or nil.
  package init?(sniffing bytes: UnsafeRawBufferPointer) {
    func begins(_ signature: [UInt8]) -> Bool { bytes.starts(with: signature) }
    func begins(_ text: String, at offset: Int = 0) -> Bool { bytes.dropFirst(offset).starts(with: text.utf8) }
    if begins([0xFF, 0xD8, 0xFF]) {
      self = .jpeg
    } else if begins([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
      self = .png
    } else if begins("RIFF"), begins("WEBP", at: 8) {
      self = .webp
    } else if [[0x49, 0x49, 42, 0], [0x49, 0x49, 43, 0], [0x4D, 0x4D, 0, 42], [0x4D, 0x4D, 0, 43]].contains(
      where: begins)
    {
      self = .tiff
    } else if begins("BM"), bytes.count >= 18, bytes[15..<18].allSatisfy({ $0 == 0 }) {
      // The length of its header, which is a small number; a text does not go on so.
      self = .bmp
    } else if begins("P"), bytes.count >= 3, (0x31...0x36).contains(bytes[1]),
      bytes[2] == 32 || (9...13).contains(bytes[2])
    {
      self = .netpbm
    } else if begins("GIF87a") || begins("GIF89a") {
      self = .gif
    } else {
      return nil
    }
  }
}
