import CGIF
import ImageFormats
import Memory

/// The first frame of GIF through giflib, and the scratch memory of one row.
struct GIFDecoder: ~Copyable {
  private var indices = GrowingMemory<UInt8>()

  static func header(of bytes: UnsafeRawBufferPointer) throws(ImagingError) -> ImageHeader {
    let file = try GIFFile(bytes)
    return ImageHeader(format: .gif, storedWidth: file.width, storedHeight: file.height, orientation: .upright)
  }

  /// Decodes the picture into `target`, which has its size. Where the frame leaves the screen free, it has the transparent colour, or
  /// the palette's first where there is none, as in Pillow.
  ///
  /// - Precondition: the header was read from these bytes and is within the limits.
  mutating func decode(_ bytes: UnsafeRawBufferPointer, into target: PixelBuffer) throws(ImagingError) {
    let file = try GIFFile(bytes)
    precondition((file.width, file.height) == (target.width, target.height), "the target has the wrong sides")
    let frame = file.frame
    let palette = file.palette
    if frame.width < target.width || frame.height < target.height {
      let free = palette[file.transparentIndex ?? 0]
      for pixel in 0..<(target.width * target.height) { free.write(to: target.base + pixel * 3) }
    }
    let row = try indices.reserve(frame.width, for: "a row of indices")
    for y in file.rowOrder {
      try file.readRow(into: row, count: frame.width)
      let start = target.base + ((frame.y + y) * target.width + frame.x) * 3
      for x in 0..<frame.width { palette[Int(row[x])].write(to: start + x * 3) }
    }
  }
}

/// A GIF file that giflib has read up to the pixels of its first frame.
private final class GIFFile {
  /// Where the bytes are that giflib asks for.
  private struct Source {
    let bytes: UnsafeRawBufferPointer
    var position = 0
    /// Bytes behind the end were asked for.
    var ended = false
  }

  struct Colour {
    var red, green, blue: UInt8

    func write(to pixel: UnsafeMutablePointer<UInt8>) { (pixel[0], pixel[1], pixel[2]) = (red, green, blue) }
  }

  private let source: UnsafeMutablePointer<Source>
  private let gif: UnsafeMutablePointer<GifFileType>
  /// The transparent index of the first frame, nil where it has none.
  private(set) var transparentIndex: Int?

  init(_ bytes: UnsafeRawBufferPointer) throws(ImagingError) {
    source = .allocate(capacity: 1)
    source.initialize(to: Source(bytes: bytes))
    var code: Int32 = 0
    let opened = DGifOpen(source, { gif, target, count in GIFFile.read(gif, target, count) }, &code)
    guard let opened else {
      let error = Self.failure(code, ended: source.pointee.ended)
      source.deallocate()
      throw error
    }
    gif = opened
    try findFrame()
  }

  deinit {
    DGifCloseFile(gif, nil)
    source.deallocate()
  }

  /// The first frame's place on the screen.
  var frame: CropRectangle {
    let image = gif.pointee.Image
    return CropRectangle(x: Int(image.Left), y: Int(image.Top), width: Int(image.Width), height: Int(image.Height))
  }

  /// Width of the screen in pixels, which a frame may exceed, as in Pillow.
  var width: Int { max(Int(gif.pointee.SWidth), frame.x + frame.width) }
  /// Height of the screen in pixels.
  var height: Int { max(Int(gif.pointee.SHeight), frame.y + frame.height) }

  /// 256 colours: those of the frame or of the screen, black where they have fewer, and grays where neither has any.
  var palette: [Colour] {
    guard let map = gif.pointee.Image.ColorMap ?? gif.pointee.SColorMap, let colours = map.pointee.Colors else {
      return (0...255).map { Colour(red: $0, green: $0, blue: $0) }
    }
    let count = Int(map.pointee.ColorCount)
    return (0..<256).map { index in
      guard index < count else { return Colour(red: 0, green: 0, blue: 0) }
      return Colour(red: colours[index].Red, green: colours[index].Green, blue: colours[index].Blue)
    }
  }

  /// The frame's rows in the order in which the file has them.
  var rowOrder: [Int] {
    let rows = frame.height
    guard gif.pointee.Image.Interlace else { return Array(0..<rows) }
    return [(0, 8), (4, 8), (2, 4), (1, 2)].flatMap { first, step in Array(stride(from: first, to: rows, by: step)) }
  }

  /// The next row of indices.
  func readRow(into row: UnsafeMutablePointer<UInt8>, count: Int) throws(ImagingError) {
    try check(DGifGetLine(gif, row, Int32(count)))
  }

  /// Reads up to the first frame, and what is said about its transparency.
  private func findFrame() throws(ImagingError) {
    while true {
      var record = UNDEFINED_RECORD_TYPE
      try check(DGifGetRecordType(gif, &record))
      switch record {
      case IMAGE_DESC_RECORD_TYPE:
        try check(DGifGetImageDesc(gif))
        guard frame.width > 0, frame.height > 0 else {
          throw .corrupt(format: .gif, detail: "a frame without pixels")
        }
        return
      case EXTENSION_RECORD_TYPE: try readExtension()
      case TERMINATE_RECORD_TYPE: throw .corrupt(format: .gif, detail: "there is no frame")
      default: break
      }
    }
  }

  private func readExtension() throws(ImagingError) {
    var kind: Int32 = 0
    var block: UnsafeMutablePointer<UInt8>?
    try check(DGifGetExtension(gif, &kind, &block))
    while let content = block {
      // The first byte of a block is its length.
      if kind == GRAPHICS_EXT_FUNC_CODE, content[0] >= 4 {
        transparentIndex = content[1] & 1 == 1 ? Int(content[4]) : transparentIndex
      }
      try check(DGifGetExtensionNext(gif, &block))
    }
  }

  private func check(_ status: Int32) throws(ImagingError) {
    guard status != GIF_OK else { return }
    throw Self.failure(gif.pointee.Error, ended: source.pointee.ended)
  }

  private static func failure(_ code: Int32, ended: Bool) -> ImagingError {
    let detail = GifErrorString(code).map { String(cString: $0) } ?? "giflib does not say why"
    if code == D_GIF_ERR_NOT_ENOUGH_MEM { return .outOfMemory(detail: detail) }
    return ended || code == D_GIF_ERR_EOF_TOO_SOON
      ? .truncated(format: .gif, detail: detail) : .corrupt(format: .gif, detail: detail)
  }

  /// What giflib asks for, as far as it is there. Behind the end comes one zero, which ends data whose own end is cut off.
  private static func read(
    _ gif: UnsafeMutablePointer<GifFileType>?, _ target: UnsafeMutablePointer<UInt8>?, _ count: Int32
  ) -> Int32 {
    guard let source = gif?.pointee.UserData?.assumingMemoryBound(to: Source.self), let target, count > 0 else {
      return 0
    }
    let part = source.pointee.bytes.part(from: source.pointee.position, count: Int(count))
    source.pointee.position += part.count
    if part.count < count {
      source.pointee.ended = true
      if count == 1 {
        target[0] = 0
        return 1
      }
    }
    if let start = part.baseAddress {
      target.update(from: start.assumingMemoryBound(to: UInt8.self), count: part.count)
    }
    return Int32(part.count)
  }
}
