import CWebP
import ImageFormats

/// The first frame of WebP through libwebp. It keeps nothing from file to file.
enum WebPDecoder {
  static func header(of bytes: UnsafeRawBufferPointer, appliesOrientation: Bool) throws(ImagingError) -> ImageHeader {
    let chunks = WebPChunks(bytes)
    let (_, canvas) = try firstFrame(of: chunks)
    return ImageHeader(
      format: .webp, storedWidth: canvas.width, storedHeight: canvas.height,
      orientation: appliesOrientation ? chunks.orientation : .upright)
  }

  /// Decodes the picture as it is stored into `target`, which has its size. Where an animation's first frame leaves the canvas free, it is
  /// black.
  ///
  /// - Precondition: the header was read from these bytes and is within the limits.
  static func decode(_ bytes: UnsafeRawBufferPointer, into target: PixelBuffer) throws(ImagingError) {
    let chunks = WebPChunks(bytes)
    let (frame, canvas) = try firstFrame(of: chunks)
    precondition(canvas == (target.width, target.height), "the target has the wrong sides")
    let place = chunks.place ?? CropRectangle(x: 0, y: 0, width: target.width, height: target.height)
    if place.width < target.width || place.height < target.height { target.bytes.update(repeating: 0) }
    var configuration = WebPDecoderConfig()
    precondition(WebPInitDecoderConfig(&configuration) != 0, "libwebp is another than its header says")
    let start = place.y * target.rowBytes + place.x * 3
    configuration.output.colorspace = MODE_RGB
    configuration.output.is_external_memory = 1
    configuration.output.u.RGBA.rgba = target.base + start
    configuration.output.u.RGBA.stride = Int32(target.rowBytes)
    configuration.output.u.RGBA.size = target.byteCount - start
    try check(WebPDecode(frame.baseAddress, frame.count, &configuration))
  }

  /// The bytes of the first frame, and the sides of the picture, which the frame has or lies within.
  private static func firstFrame(
    of chunks: WebPChunks
  ) throws(ImagingError) -> (bytes: UnsafeRawBufferPointer, canvas: (width: Int, height: Int)) {
    guard let frame = chunks.frame else { throw .truncated(format: .webp, detail: "there are no pixels") }
    var features = WebPBitstreamFeatures()
    try check(WebPGetFeatures(frame.baseAddress, frame.count, &features))
    let sides = (width: Int(features.width), height: Int(features.height))
    guard let place = chunks.place else {
      guard chunks.canvas.map({ $0 == sides }) ?? true else {
        throw .corrupt(format: .webp, detail: "the picture has another size than its canvas")
      }
      return (frame, sides)
    }
    guard let canvas = chunks.canvas, sides == (place.width, place.height),
      place.x + place.width <= canvas.width, place.y + place.height <= canvas.height
    else { throw .corrupt(format: .webp, detail: "the first frame does not fit its canvas") }
    return (frame, canvas)
  }

  private static func check(_ status: VP8StatusCode) throws(ImagingError) {
    switch status {
    case VP8_STATUS_OK: return
    case VP8_STATUS_OUT_OF_MEMORY: throw .outOfMemory(detail: "libwebp was refused memory")
    case VP8_STATUS_NOT_ENOUGH_DATA, VP8_STATUS_SUSPENDED:
      throw .truncated(format: .webp, detail: "the data end too early")
    case VP8_STATUS_UNSUPPORTED_FEATURE:
      throw .unsupported(format: .webp, detail: "a feature that libwebp does not have")
    default: throw .corrupt(format: .webp, detail: "the data contradict themselves")
    }
  }
}
