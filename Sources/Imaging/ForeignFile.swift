/// What a file is that is no picture of the formats that are decoded, as people would name it.
package struct ForeignFile: Sendable, Equatable {
  /// The file in a few words, with an article.
  package let description: String
  /// What to do about it.
  package let remedy: String

  /// Looks at the beginning of a file that is of none of those formats.
  package init(_ bytes: UnsafeRawBufferPointer) {
    func begins(_ text: String, at offset: Int = 0) -> Bool { bytes.dropFirst(offset).starts(with: text.utf8) }
    func begins(_ signature: UInt8...) -> Bool { bytes.starts(with: signature) }
    let convert = "convert it to JPEG or PNG, or remove it"
    let remove = "remove it"
    let text = Self.beginningOfText(bytes)
    let start = text.lowercased()
    (description, remedy) =
      if begins("ftyp", at: 4) {
        (Self.container(brand: bytes.dropFirst(8).prefix(4)), convert)
      } else if begins(0x00, 0x00, 0x00, 0x0C) && begins("JXL ", at: 4) || begins(0xFF, 0x0A) {
        ("a JPEG XL picture", convert)
      } else if begins(0x00, 0x00, 0x00, 0x0C) && begins("jP  ", at: 4) || begins(0xFF, 0x4F, 0xFF, 0x51) {
        ("a JPEG 2000 picture", convert)
      } else if begins("P7\n") {
        ("a PAM picture", convert)
      } else if begins("8BPS") {
        ("a Photoshop picture", convert)
      } else if begins(0x00, 0x05, 0x16, 0x07) || begins(0x00, 0x05, 0x16, 0x00) {
        ("a macOS resource file, which holds no picture", remove)
      } else if begins("version https://git-lfs") {
        ("a git-lfs pointer in place of the file", "fetch the file itself with 'git lfs pull'")
      } else if ["<!doctype html", "<html", "<head", "<body"].contains(where: { start.hasPrefix($0) }) {
        ("a page of HTML, perhaps a server's error message", "download the file again")
      } else if start.hasPrefix("<svg") || start.hasPrefix("<?xml") && start.contains("<svg") {
        ("an SVG drawing", convert)
      } else if start.hasPrefix("<?xml") {
        ("an XML text, perhaps a server's error message", "download the file again")
      } else if begins("%PDF") {
        ("a PDF document", convert)
      } else if begins("PK") && bytes.count > 3 && [3, 5].contains(bytes[2]) || begins(0x1F, 0x8B) || begins("Rar!")
        || begins(0x37, 0x7A, 0xBC, 0xAF)
      {
        ("an archive", "unpack it, or remove it")
      } else if bytes.allSatisfy({ $0 == 0 }) {
        ("nothing but zeros, as after a crash or an unfinished download", "restore it from its source")
      } else if !text.isEmpty {
        ("a text that begins '\(text.prefix(24))'", remove)
      } else {
        ("something unknown that begins with the bytes \(Self.hexadecimal(bytes.prefix(8)))", convert)
      }
  }

  /// The kinds of file that share the container of MP4, told apart by the brand that they name first.
  private static func container(brand: Slice<UnsafeRawBufferPointer>) -> String {
    switch String(decoding: brand, as: UTF8.self) {
    case "avif", "avis": "an AVIF picture"
    case "heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1": "a HEIC picture"
    case "crx ": "a camera's raw picture"
    default: "a film (MP4 or the like)"
    }
  }

  /// How a text in plain English letters begins, on one line; empty for what is none.
  private static func beginningOfText(_ bytes: UnsafeRawBufferPointer) -> String {
    let beginning = bytes.prefix(256)
    let letters = beginning.starts(with: [0xEF, 0xBB, 0xBF]) ? beginning.dropFirst(3) : beginning
    guard letters.allSatisfy({ (0x20...0x7E).contains($0) || [9, 10, 13].contains($0) }) else { return "" }
    return String(decoding: letters, as: UTF8.self).split(whereSeparator: \.isWhitespace).joined(separator: " ")
  }

  private static func hexadecimal(_ bytes: Slice<UnsafeRawBufferPointer>) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
  }
}
