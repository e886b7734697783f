import CTurboJPEG

/// Writing JPEG files.
package enum JPEGFile {
  /// The bytes of a baseline JPEG file of these pixels, with chroma at half resolution.
  ///
  /// - Parameter quality: 1 (smallest) to 100 (best).
  /// - Throws: ``ImagingError/notEncoded(format:detail:)``, ``ImagingError/outOfMemory(detail:)``.
  package static func encode(_ pixels: PixelBuffer, quality: Int = 90) throws(ImagingError) -> [UInt8] {
    precondition((1...100).contains(quality), "JPEG quality lies in 1...100")
    guard let handle = tjInitCompress() else {
      throw .outOfMemory(detail: String(cString: tjGetErrorStr2(nil)))
    }
    defer { tjDestroy(handle) }
    var file: UnsafeMutablePointer<UInt8>?
    var count: UInt = 0
    defer { tjFree(file) }
    let status = tjCompress2(
      handle, pixels.base, Int32(pixels.width), 0, Int32(pixels.height), Int32(TJPF_RGB.rawValue), &file, &count,
      Int32(TJSAMP_420.rawValue), Int32(quality), 0)
    guard status == 0 else { throw .notEncoded(format: .jpeg, detail: String(cString: tjGetErrorStr2(handle))) }
    return Array(UnsafeBufferPointer(start: file, count: Int(count)))
  }
}
