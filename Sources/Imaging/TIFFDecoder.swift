import CTIFFReader
import Glibc
import ImageFormats

/// The first page of TIFF through libtiff. It keeps nothing from file to file.
enum TIFFDecoder {
  static func header(of bytes: UnsafeRawBufferPointer, appliesOrientation: Bool) throws(ImagingError) -> ImageHeader {
    var file = Self.file(bytes)
    defer { free(file.xmp) }
    guard tiff_file_read_header(&file) else { throw failure(of: file) }
    let xmp = UnsafeRawBufferPointer(start: file.xmp, count: file.xmp_count)
    let orientation =
      file.orientation == 0
      ? OrientationTag.orientation(exif: nil, xmp: xmp)
      : ImageOrientation(rawValue: Int(file.orientation)) ?? .upright
    return ImageHeader(
      format: .tiff, storedWidth: Int(file.width), storedHeight: Int(file.height),
      orientation: appliesOrientation ? orientation : .upright)
  }

  /// Decodes the picture as it is stored into `target`, which has its size.
  ///
  /// - Precondition: the header was read from these bytes and is within the limits.
  static func decode(_ bytes: UnsafeRawBufferPointer, into target: PixelBuffer) throws(ImagingError) {
    var file = Self.file(bytes)
    file.width = UInt32(target.width)
    file.height = UInt32(target.height)
    guard tiff_file_read_pixels(&file, target.base) else { throw failure(of: file) }
  }

  private static func file(_ bytes: UnsafeRawBufferPointer) -> tiff_file {
    var file = tiff_file()
    file.bytes = bytes.bindMemory(to: UInt8.self).baseAddress
    file.count = bytes.count
    return file
  }

  private static func failure(of file: tiff_file) -> ImagingError {
    let detail = text(ofCharacters: file.problem)
    return switch file.fault {
    case TIFF_FILE_OUT_OF_MEMORY: .outOfMemory(detail: detail)
    case TIFF_FILE_ENDS_EARLY: .truncated(format: .tiff, detail: detail)
    case TIFF_FILE_UNSUPPORTED: .unsupported(format: .tiff, detail: detail)
    default: .corrupt(format: .tiff, detail: detail)
    }
  }
}
