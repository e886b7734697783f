import CWebP

/// Writing WebP files.
package enum WebPFile {
  /// The bytes of a lossy WebP file of these pixels.
  ///
  /// - Parameter quality: 0 (smallest) to 100 (best).
  /// - Throws: ``ImagingError/notEncoded(format:detail:)``.
  package static func encode(_ pixels: PixelBuffer, quality: Float = 90) throws(ImagingError) -> [UInt8] {
    precondition((0...100).contains(quality), "WebP quality lies in 0...100")
    var file: UnsafeMutablePointer<UInt8>?
    defer { WebPFree(file) }
    let count = WebPEncodeRGB(
      pixels.base, Int32(pixels.width), Int32(pixels.height), Int32(pixels.rowBytes), quality, &file)
    // Libwebp's short form does not say which of the two it was.
    guard count > 0 else {
      throw .notEncoded(
        format: .webp,
        detail: "libwebp made no file of \(pixels.width) x \(pixels.height) pixels; a WebP has 16383 a side at most")
    }
    return Array(UnsafeBufferPointer(start: file, count: count))
  }
}
