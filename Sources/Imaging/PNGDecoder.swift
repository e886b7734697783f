import CPNGReader

/// PNG through libpng. It keeps nothing from file to file.
enum PNGDecoder {
  static func header(of bytes: UnsafeRawBufferPointer, appliesOrientation: Bool) throws(ImagingError) -> ImageHeader {
    var file = Self.file(bytes)
    guard png_file_read_header(&file) else { throw failure(of: file) }
    return ImageHeader(
      format: .png, storedWidth: Int(file.width), storedHeight: Int(file.height),
      orientation: appliesOrientation ? PNGChunks(bytes).orientation : .upright)
  }

  /// Decodes the picture as it is stored into `target`, which has its size.
  ///
  /// - Precondition: the header was read from these bytes and is within the limits.
  static func decode(_ bytes: UnsafeRawBufferPointer, into target: PixelBuffer) throws(ImagingError) {
    var file = Self.file(bytes)
    file.width = UInt32(target.width)
    file.height = UInt32(target.height)
    guard png_file_read_pixels(&file, target.base) else { throw failure(of: file) }
  }

  private static func file(_ bytes: UnsafeRawBufferPointer) -> png_file {
    var file = png_file()
    file.bytes = bytes.bindMemory(to: UInt8.self).baseAddress
    file.count = bytes.count
    return file
  }

  private static func failure(of file: png_file) -> ImagingError {
    let detail = text(ofCharacters: file.problem)
    if file.out_of_memory { return .outOfMemory(detail: detail) }
    return file.ends_early ? .truncated(format: .png, detail: detail) : .corrupt(format: .png, detail: detail)
  }
}
