import CTurboJPEG

/// JPEG through libjpeg-turbo: one handle and the scratch pictures that unusual files need.
final class JPEGDecoder {
  private let handle: tjhandle
  /// The picture as stored, where it has to be turned upright.
  private let stored = RGBImage(width: 1, height: 1)
  /// Four samples per pixel, for CMYK; grown when the first such file comes.
  private var inks: [UInt8] = []

  init() throws(ImagingError) {
    guard let handle = tjInitDecompress() else {
      throw .codecUnavailable(detail: String(cString: tjGetErrorStr2(nil)))
    }
    self.handle = handle
  }

  deinit { tjDestroy(handle) }

  func header(of bytes: UnsafeRawBufferPointer) throws(ImagingError) -> ImageHeader {
    let (width, height, _) = try storedSize(of: bytes)
    let orientation = JPEGMarkers(bytes).orientation
    return ImageHeader(
      format: .jpeg, width: orientation.swapsSides ? height : width, height: orientation.swapsSides ? width : height,
      orientation: orientation)
  }

  /// - Precondition: `header` was read from these bytes and is within the limits.
  func decode(
    _ bytes: UnsafeRawBufferPointer, header: ImageHeader, reduction: DecodeReduction, into image: RGBImage
  ) throws(ImagingError) {
    let (fullWidth, fullHeight, colorSpace) = try storedSize(of: bytes)
    let isCMYK = colorSpace == Int32(TJCS_CMYK.rawValue) || colorSpace == Int32(TJCS_YCCK.rawValue)
    image.reshape(
      width: reduction.applied(to: header.width), height: reduction.applied(to: header.height),
      originalWidth: header.width, originalHeight: header.height, reduction: reduction)
    let width = reduction.applied(to: fullWidth)
    let height = reduction.applied(to: fullHeight)
    if header.orientation != .upright { stored.reshape(width: width, height: height) }
    let target = header.orientation == .upright ? image.pixels : stored.pixels
    if isCMYK {
      let needed = width * height * 4
      if inks.count < needed { inks = [UInt8](repeating: 0, count: needed) }
      try inks.withUnsafeMutableBufferPointer { (samples) throws(ImagingError) in
        try decompress(bytes, to: samples.baseAddress!, width: width, height: height, format: TJPF_CMYK)
        Self.convertInvertedInks(samples.baseAddress!, to: target)
      }
    } else {
      try decompress(bytes, to: target.base, width: width, height: height, format: TJPF_RGB)
    }
    if header.orientation != .upright { header.orientation.setUpright(stored.pixels, into: image.pixels) }
  }

  private func storedSize(
    of bytes: UnsafeRawBufferPointer
  ) throws(ImagingError) -> (width: Int, height: Int, colorSpace: Int32) {
    var width: Int32 = -1
    var height: Int32 = -1
    var subsampling: Int32 = -1
    var colorSpace: Int32 = -1
    let source = bytes.bindMemory(to: UInt8.self).baseAddress
    let status = tjDecompressHeader3(handle, source, UInt(bytes.count), &width, &height, &subsampling, &colorSpace)
    // The library refuses to name unusual chroma subsampling, but it has read the size by then and decodes such files well.
    if status != 0 && (width < 1 || height < 1) { throw failure() }
    guard width > 0, height > 0 else { throw .corrupt(format: .jpeg, detail: "a side of the picture is 0") }
    return (Int(width), Int(height), colorSpace)
  }

  private func decompress(
    _ bytes: UnsafeRawBufferPointer, to target: UnsafeMutablePointer<UInt8>, width: Int, height: Int, format: TJPF
  ) throws(ImagingError) {
    let source = bytes.bindMemory(to: UInt8.self).baseAddress
    // A progressive file may repeat scans without end; the limit keeps one hostile file from holding a worker.
    func run(_ flags: Int32) -> Int32 {
      tjDecompress2(
        handle, source, UInt(bytes.count), target, Int32(width), 0, Int32(height), Int32(format.rawValue),
        TJFLAG_LIMITSCANS | flags)
    }
    guard run(TJFLAG_STOPONWARNING) != 0 else { return }
    let first = failure()
    guard isHarmless(first) else { throw first }
    // The complaint does not touch the pixels: decode on, and let what else there may be decide.
    guard run(0) != 0 else { return }
    let second = failure()
    guard isHarmless(second) else { throw second }
  }

  /// Warnings that libjpeg gives for files whose pixels are whole: stray bytes between segments, odd scan parameters of a
  /// sequential file, application markers of unknown versions. All of them occur in published image sets.
  private func isHarmless(_ error: ImagingError) -> Bool {
    guard case .corrupt(_, let detail) = error, tjGetErrorCode(handle) == TJERR_WARNING.rawValue else { return false }
    return ["extraneous bytes before marker", "Invalid SOS parameters", "Unknown Adobe", "Unknown JFIF", "JFIF"]
      .contains { detail.contains($0) }
  }

  private func failure() -> ImagingError {
    let detail = String(cString: tjGetErrorStr2(handle))
    let ends = ["Premature end", "premature end", "Input file read error", "Empty input"]
    if ends.contains(where: detail.contains) { return .truncated(format: .jpeg, detail: detail) }
    let unsupported = ["Unsupported", "unsupported", "not supported", "Unrecognized", "arithmetic"]
    if unsupported.contains(where: detail.contains) { return .unsupported(format: .jpeg, detail: detail) }
    return .corrupt(format: .jpeg, detail: detail)
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
