import CPNG

/// Writing PNG files.
package enum PNGFile {
  /// The bytes of an 8-bit RGB PNG file that holds exactly these pixels.
  ///
  /// - Throws: ``ImagingError/notEncoded(format:detail:)``.
  package static func encode(_ pixels: PixelBuffer) throws(ImagingError) -> [UInt8] {
    // Filter bytes, zlib's worst case and the chunks: the same bound as libpng's PNG_IMAGE_PNG_SIZE_MAX, rounded up.
    let rows = pixels.byteCount + pixels.height
    var capacity = rows + rows / 1000 + 4096
    while true {
      var image = png_image()
      image.version = UInt32(PNG_IMAGE_VERSION)
      image.width = UInt32(pixels.width)
      image.height = UInt32(pixels.height)
      image.format = UInt32(PNG_FORMAT_FLAG_COLOR)
      defer { png_image_free(&image) }
      var written = capacity
      var encoded = true
      let file = [UInt8](unsafeUninitializedCapacity: capacity) { memory, count in
        encoded = png_image_write_to_memory(&image, memory.baseAddress, &written, 0, pixels.base, 0, nil) != 0
        count = encoded ? written : 0
      }
      if encoded { return file }
      // Where the memory was too small libpng says how much it needs.
      guard written > capacity else { throw .notEncoded(format: .png, detail: text(ofCharacters: image.message)) }
      capacity = written
    }
  }
}
