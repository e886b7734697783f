import Basics
import Commands
import FoundationEssentials
import Glibc
import Imaging
import Log
import Sheets

/// The kinds of picture files that commands write, told by the endings of their names.
enum PictureOutput: String, CaseIterable {
  case png, jpg, jpeg, webp

  /// The kind of a file that the user named.
  ///
  /// - Parameter further: endings that the command knows itself.
  /// - Throws: `CommandFailure` with code `usage` that names the endings there are.
  init(path: String, orAlso further: String = "") throws(CommandFailure) {
    guard let kind = Self(rawValue: URL(filePath: path).pathExtension.lowercased()) else {
      throw CommandFailure(.usage, "--out is '\(path)', but its name must end in .png, .jpg, .jpeg or .webp\(further)")
    }
    self = kind
  }

  /// The bytes of a file of this kind.
  func encode(_ picture: RGBImage) throws(ImagingError) -> [UInt8] {
    // Its pixels do not keep it alive.
    defer { withExtendedLifetime(picture) {} }
    switch self {
    case .png: return try PNGFile.encode(picture.pixels)
    case .jpg, .jpeg: return try JPEGFile.encode(picture.pixels)
    case .webp: return try WebPFile.encode(picture.pixels)
    }
  }
}

/// Decodes a picture file that the user named.
func decodePicture(_ path: String) throws -> RGBImage {
  guard let bytes = FileManager.default.contents(atPath: path) else {
    throw CommandFailure(.noInput, "cannot read \(path): \(String(cString: strerror(errno)))")
  }
  let decoder = ImageDecoder()
  do throws(ImagingError) {
    return try decoder.decode([UInt8](bytes))
  } catch {
    throw CommandFailure(CommandFailure(for: error).code, "\(path): \(error.description)")
  }
}

/// Writes a file that the user named.
func write(_ bytes: [UInt8], to path: String) throws {
  do {
    try Data(bytes).write(to: URL(fileURLWithPath: path))
  } catch {
    throw CommandFailure(.cannotCreate, "cannot write \(path): \(systemReason(of: error))")
  }
}

/// What captions are written in; where the machine has no font, says so and is `nil`.
func captionTypeface() -> Typeface? {
  do throws(TypefaceError) {
    return try Typeface(size: PictureSheet.letterSize)
  } catch {
    LogStream.standardError.write("sasslctl: the picture has no captions: \(error.description)\n")
    return nil
  }
}
