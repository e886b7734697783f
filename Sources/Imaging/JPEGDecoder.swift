import CJPEGReader
import Memory

/// JPEG through libjpeg-turbo, and the scratch memory that unusual files need.
struct JPEGDecoder: ~Copyable {
  /// Four samples per pixel, for CMYK; grown when the first such file comes.
  private var inks = GrowingMemory<UInt8>()

  static func header(of bytes: UnsafeRawBufferPointer, appliesOrientation: Bool) throws(ImagingError) -> ImageHeader {
    var file = Self.file(bytes)
    guard jpeg_file_read_header(&file) else { throw failure(of: file) }
    return ImageHeader(
      format: .jpeg, storedWidth: Int(file.width), storedHeight: Int(file.height),
      orientation: appliesOrientation ? JPEGMarkers(bytes).orientation : .upright, isCMYK: file.is_cmyk)
  }

  /// Decodes the picture as it is stored, at a fraction of its size, into `target` of that size.
  ///
  /// - Precondition: the header was read from these bytes and is within the limits.
  mutating func decode(
    _ bytes: UnsafeRawBufferPointer, header: ImageHeader, reduction: DecodeReduction, into target: PixelBuffer
  ) throws(ImagingError) {
    precondition(
      target.width == reduction.applied(to: header.storedWidth)
        && target.height == reduction.applied(to: header.storedHeight),
      "the target has the wrong sides")
    var file = Self.file(bytes)
    file.width = UInt32(header.storedWidth)
    file.height = UInt32(header.storedHeight)
    file.is_cmyk = header.isCMYK
    let samples = file.is_cmyk ? try inks.reserve(target.width * target.height * 4, for: "inks") : target.base
    guard jpeg_file_read_pixels(&file, UInt32(reduction.rawValue), samples) else { throw Self.failure(of: file) }
    if file.is_cmyk { Self.convertInvertedInks(samples, to: target) }
  }

  private static func file(_ bytes: UnsafeRawBufferPointer) -> jpeg_file {
    var file = jpeg_file()
    file.bytes = bytes.bindMemory(to: UInt8.self).baseAddress
    file.count = bytes.count
    return file
  }

  private static func failure(of file: jpeg_file) -> ImagingError {
    let detail = text(ofCharacters: file.problem)
    return switch file.fault {
    case JPEG_FILE_OUT_OF_MEMORY: .outOfMemory(detail: detail)
    case JPEG_FILE_ENDS_EARLY: .truncated(format: .jpeg, detail: detail)
    case JPEG_FILE_UNSUPPORTED: .unsupported(format: .jpeg, detail: detail)
    default: .corrupt(format: .jpeg, detail: detail)
    }
  }

  /// `inks` holds 255 minus the amount of ink, as Adobe stores it.
  private static func convertInvertedInks(_ inks: UnsafeMutablePointer<UInt8>, to target: PixelBuffer) {
    for pixel in 0..<(target.width &* target.height) {
      let ink = inks + pixel &* 4
      let light = UInt32(ink[3])
      for channel in 0..<3 {
        target.base[pixel &* 3 &+ channel] = UInt8(truncatingIfNeeded: (UInt32(ink[channel]) &* light &+ 127) / 255)
      }
    }
  }
}
