/// The file formats that can be decoded. What a file holds is told by its first bytes and never by its name; which files of a folder are
/// looked at is told by their names alone, as torchvision's `ImageFolder` does.
package enum ImageFormat: String, Sendable, CaseIterable {
  /// JPEG: baseline or progressive; grayscale, YCbCr, RGB, CMYK or YCCK; 8 bits per sample.
  case jpeg
  /// PNG: 1 to 16 bits, gray, colour or palette, with or without alpha, interlaced or not.
  case png

  /// The format's name as people write it.
  package var name: String {
    switch self {
    case .jpeg: "JPEG"
    case .png: "PNG"
    }
  }

  /// The endings under which `ImageFolder` takes a file for an image, in lower case.
  var listedExtensions: [String] {
    switch self {
    case .jpeg: [".jpg", ".jpeg"]
    case .png: [".png"]
    }
  }

  /// The format that `bytes` begin like, or nil.
  package init?(sniffing bytes: UnsafeRawBufferPointer) {
    let pngSignature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
    if bytes.count >= 3, bytes[0] == 0xFF, bytes[1] == 0xD8, bytes[2] == 0xFF {
      self = .jpeg
    } else if bytes.count >= 8, bytes.prefix(8).elementsEqual(pngSignature) {
      self = .png
    } else {
      return nil
    }
  }
}
