import ImageFormats

/// Turns the bytes of picture files into upright RGB pictures.
///
/// A decoder owns the scratch memory that unusual files need, so a worker keeps one for life. Nothing else is carried from file to
/// file: the pixels depend on the file alone. It is not `Sendable`: one decoder, one worker.
///
/// For example:
///
/// ```swift
/// let decoder = ImageDecoder()
/// let image = try decoder.decode(bytes)
/// ```
///
/// What becomes of the less usual files:
/// - grayscale is repeated into three channels; 16-bit samples are rounded to 8;
/// - inks are converted as `R = (255 - C)(255 - K) / 255`; those of CMYK and YCCK JPEG are taken as inverted, as Adobe writes them;
/// - alpha is dropped, not composited, as torchvision's `ImageReadMode.RGB` does; a palette's transparency likewise;
/// - of animations the first frame is shown, of files with pages the first page;
/// - gamma chunks and colour profiles are ignored;
/// - orientation is applied as Pillow's `exif_transpose` does, if it is wanted: that of EXIF or XMP, in JPEG, PNG, WebP and TIFF.
package final class ImageDecoder {
  private let appliesOrientation: Bool
  private var jpeg = JPEGDecoder()
  private var gif = GIFDecoder()
  /// The picture as stored, where it has to be turned.
  private let stored = RGBImage(width: 1, height: 1)

  /// A decoder ready for its first file.
  ///
  /// - Parameter appliesOrientation: whether pictures are turned as their metadata say, or shown as they are stored.
  package init(appliesOrientation: Bool = true) {
    self.appliesOrientation = appliesOrientation
  }

  /// Reads what the file says about its picture, without decoding a pixel and within `limits`, so that a crop can be
  /// drawn and a reduction chosen first.
  ///
  /// - Throws: ``ImagingError``; whatever this throws, decoding would throw too.
  package func header(
    of bytes: UnsafeRawBufferPointer, limits: DecodeLimits = .standard
  ) throws(ImagingError) -> ImageHeader {
    let header =
      switch try format(of: bytes, limits: limits) {
      case .jpeg: try JPEGDecoder.header(of: bytes, appliesOrientation: appliesOrientation)
      case .png: try PNGDecoder.header(of: bytes, appliesOrientation: appliesOrientation)
      case .webp: try WebPDecoder.header(of: bytes, appliesOrientation: appliesOrientation)
      case .tiff: try TIFFDecoder.header(of: bytes, appliesOrientation: appliesOrientation)
      case .bmp: try BMPDecoder.header(of: bytes)
      case .netpbm: try NetpbmDecoder.header(of: bytes)
      case .gif: try GIFDecoder.header(of: bytes)
      }
    // Division instead of a product, which a hostile header could make overflow.
    guard header.height <= limits.maximumPixels / header.width else {
      throw .tooManyPixels(width: header.width, height: header.height, limit: limits.maximumPixels)
    }
    return header
  }

  /// Decodes the file, whose header has been read, into `image`, which takes the picture's size.
  ///
  /// - Parameters:
  ///   - bytes: the whole file.
  ///   - header: what `header(of:limits:)` returned for these bytes.
  ///   - reduction: decodes a JPEG at a fraction of its size; crops stay in full-resolution coordinates.
  ///   - image: receives the picture; its content is undefined after an error.
  /// - Throws: ``ImagingError``. A picture that a lenient decoder would complete with gray is an error here.
  package func decode(
    _ bytes: UnsafeRawBufferPointer, header: ImageHeader, reduction: DecodeReduction = .none, into image: RGBImage
  ) throws(ImagingError) {
    let reduction = header.format == .jpeg ? reduction : .none
    try image.reshape(for: header, reduction: reduction)
    var target = image.pixels
    if header.orientation != .upright {
      let swaps = header.orientation.swapsSides
      try stored.reshape(width: swaps ? image.height : image.width, height: swaps ? image.width : image.height)
      target = stored.pixels
    }
    switch header.format {
    case .jpeg: try jpeg.decode(bytes, header: header, reduction: reduction, into: target)
    case .png: try PNGDecoder.decode(bytes, into: target)
    case .webp: try WebPDecoder.decode(bytes, into: target)
    case .tiff: try TIFFDecoder.decode(bytes, into: target)
    case .bmp: try BMPDecoder.decode(bytes, into: target)
    case .netpbm: try NetpbmDecoder.decode(bytes, into: target)
    case .gif: try gif.decode(bytes, into: target)
    }
    if header.orientation != .upright { header.orientation.setUpright(stored.pixels, into: image.pixels) }
  }

  /// Reads the header and decodes the file into `image`.
  ///
  /// - Throws: ``ImagingError``.
  package func decode(
    _ bytes: UnsafeRawBufferPointer, limits: DecodeLimits = .standard, reduction: DecodeReduction = .none,
    into image: RGBImage
  ) throws(ImagingError) {
    try decode(bytes, header: try header(of: bytes, limits: limits), reduction: reduction, into: image)
  }

  /// Decodes the file into a picture of its own.
  ///
  /// - Throws: ``ImagingError``.
  package func decode(_ bytes: [UInt8], limits: DecodeLimits = .standard) throws(ImagingError) -> RGBImage {
    let image = RGBImage(width: 1, height: 1)
    try bytes.withUnsafeBufferPointer { (file) throws(ImagingError) in
      try decode(UnsafeRawBufferPointer(file), limits: limits, into: image)
    }
    return image
  }

  private func format(of bytes: UnsafeRawBufferPointer, limits: DecodeLimits) throws(ImagingError) -> ImageFormat {
    guard !bytes.isEmpty else { throw .empty }
    guard bytes.count <= limits.maximumBytes else {
      throw .tooManyBytes(count: bytes.count, limit: limits.maximumBytes)
    }
    guard let format = ImageFormat(sniffing: bytes) else { throw .unknownFormat(ForeignFile(bytes)) }
    return format
  }
}
