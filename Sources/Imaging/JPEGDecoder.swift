import CTurboJPEG
import Memory

/// JPEG through libjpeg-turbo, and the scratch pictures that unusual files need.
final class JPEGDecoder {
  /// The picture as stored, where it has to be turned upright.
  private let stored = RGBImage(width: 1, height: 1)
  /// Four samples per pixel, for CMYK; grown when the first such file comes.
  private var inks = GrowingMemory<UInt8>()

  func header(of bytes: UnsafeRawBufferPointer) throws(ImagingError) -> ImageHeader {
    let (width, height, _) = try JPEGStream(bytes).size()
    let orientation = JPEGMarkers(bytes).orientation
    return ImageHeader(
      format: .jpeg, width: orientation.swapsSides ? height : width, height: orientation.swapsSides ? width : height,
      orientation: orientation)
  }

  /// - Precondition: `header` was read from these bytes and is within the limits.
  func decode(
    _ bytes: UnsafeRawBufferPointer, header: ImageHeader, reduction: DecodeReduction, into image: RGBImage
  ) throws(ImagingError) {
    let stream = try JPEGStream(bytes)
    let (fullWidth, fullHeight, colorSpace) = try stream.size()
    let isCMYK = colorSpace == Int32(TJCS_CMYK.rawValue) || colorSpace == Int32(TJCS_YCCK.rawValue)
    try image.reshape(
      width: reduction.applied(to: header.width), height: reduction.applied(to: header.height),
      originalWidth: header.width, originalHeight: header.height, reduction: reduction)
    let width = reduction.applied(to: fullWidth)
    let height = reduction.applied(to: fullHeight)
    if header.orientation != .upright { try stored.reshape(width: width, height: height) }
    let target = header.orientation == .upright ? image.pixels : stored.pixels
    if isCMYK {
      let samples = try inks.reserve(width * height * 4, for: "inks")
      try stream.decompress(to: samples, width: width, height: height, format: TJPF_CMYK)
      Self.convertInvertedInks(samples, to: target)
    } else {
      try stream.decompress(to: target.base, width: width, height: height, format: TJPF_RGB)
    }
    if header.orientation != .upright { header.orientation.setUpright(stored.pixels, into: image.pixels) }
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
