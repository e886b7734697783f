import CPNG

/// PNG through libpng's simplified interface, which reports errors as results instead of jumping over Swift frames.
final class PNGDecoder {
  /// Four samples per pixel, for pictures with alpha; grown when the first such file comes.
  private var samples: [UInt8] = []

  func header(of bytes: UnsafeRawBufferPointer) throws(ImagingError) -> ImageHeader {
    try withImage(of: bytes) { (image) throws(ImagingError) in
      ImageHeader(format: .png, width: Int(image.width), height: Int(image.height), orientation: .upright)
    }
  }

  /// - Precondition: `header` was read from these bytes and is within the limits.
  func decode(_ bytes: UnsafeRawBufferPointer, header: ImageHeader, into target: RGBImage) throws(ImagingError) {
    try withImage(of: bytes) { (image) throws(ImagingError) in
      guard Int(image.width) == header.width, Int(image.height) == header.height else {
        throw .corrupt(format: .png, detail: "the size changed while reading")
      }
      // 16-bit samples without a gamma chunk are sRGB in practice; libpng would take them as linear light.
      image.flags |= UInt32(PNG_IMAGE_FLAG_16BIT_sRGB)
      target.reshape(width: header.width, height: header.height)
      guard image.format & UInt32(PNG_FORMAT_FLAG_ALPHA) != 0 else {
        image.format = UInt32(PNG_FORMAT_FLAG_COLOR)
        try finish(&image, into: target.pixels.base)
        return
      }
      image.format = UInt32(PNG_FORMAT_FLAG_COLOR | PNG_FORMAT_FLAG_ALPHA)
      let pixelCount = header.width * header.height
      if samples.count < pixelCount * 4 { samples = [UInt8](repeating: 0, count: pixelCount * 4) }
      try samples.withUnsafeMutableBufferPointer { (source) throws(ImagingError) in
        try finish(&image, into: source.baseAddress!)
        Self.dropAlpha(source.baseAddress!, to: target.pixels)
      }
    }
  }

  private func withImage<Result>(
    of bytes: UnsafeRawBufferPointer, _ body: (inout png_image) throws(ImagingError) -> Result
  ) throws(ImagingError) -> Result {
    var image = png_image()
    image.version = UInt32(PNG_IMAGE_VERSION)
    defer { png_image_free(&image) }
    guard png_image_begin_read_from_memory(&image, bytes.baseAddress, bytes.count) != 0 else {
      throw failure(of: image)
    }
    guard image.width > 0, image.height > 0 else {
      throw .corrupt(format: .png, detail: "a side of the picture is 0")
    }
    return try body(&image)
  }

  private func finish(_ image: inout png_image, into target: UnsafeMutablePointer<UInt8>) throws(ImagingError) {
    guard png_image_finish_read(&image, nil, target, 0, nil) != 0 else { throw failure(of: image) }
  }

  private func failure(of image: png_image) -> ImagingError {
    let detail = message(of: image)
    let ends = ["read beyond end of data", "Read Error", "Not enough image data", "Too little", "Insufficient"]
    return ends.contains { detail.contains($0) }
      ? .truncated(format: .png, detail: detail) : .corrupt(format: .png, detail: detail)
  }

  private static func dropAlpha(_ source: UnsafeMutablePointer<UInt8>, to target: PixelBuffer) {
    for pixel in 0..<(target.width &* target.height) {
      target.base[pixel &* 3] = source[pixel &* 4]
      target.base[pixel &* 3 &+ 1] = source[pixel &* 4 &+ 1]
      target.base[pixel &* 3 &+ 2] = source[pixel &* 4 &+ 2]
    }
  }
}

/// libpng's own words for what it met.
func message(of image: png_image) -> String {
  withUnsafeBytes(of: image.message) { characters in
    String(decoding: characters.prefix { $0 != 0 }, as: UTF8.self)
  }
}
