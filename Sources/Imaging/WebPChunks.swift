/// What the chunks of a WebP file say besides pixels: where those of the first frame are, and which way is up.
///
/// libwebpdemux tells the same of files that are whole, and keeps a list of all frames to do so, however many the file has. Here nothing is
/// kept, and a file that is cut behind its picture has a picture.
struct WebPChunks {
  /// The first frame: its chunks of transparency and of pixels, as far as they are there; nil where there are none.
  private(set) var frame: UnsafeRawBufferPointer?
  /// The sides of the canvas in pixels, where the file names them.
  private(set) var canvas: (width: Int, height: Int)?
  /// Where the first frame of an animation lies on the canvas; nil for a still picture.
  private(set) var place: CropRectangle?
  /// The orientation, upright where the file names none.
  let orientation: ImageOrientation

  /// Walks the chunks of a file that begins like a WebP.
  init(_ bytes: UnsafeRawBufferPointer) {
    var exif: UnsafeRawBufferPointer?
    var xmp: UnsafeRawBufferPointer?
    var transparency: Int?
    // What follows the container is no part of it.
    let file = bytes.part(from: 0, count: bytes.integer(at: 4, bytes: 4).map { Int($0) + 8 } ?? 0)
    var position = 12
    while let length = file.integer(at: position + 4, bytes: 4).map({ Int($0) }) {
      let content = file.part(from: position + 8, count: length)
      switch String(decoding: file[position..<(position + 4)], as: UTF8.self) {
      case "VP8X" where content.count >= 10:
        canvas = (Self.side(content, at: 4), Self.side(content, at: 7))
      case "ANMF" where content.count >= 16 && frame == nil:
        place = CropRectangle(
          x: Int(content.integer(at: 0, bytes: 3)!) * 2, y: Int(content.integer(at: 3, bytes: 3)!) * 2,
          width: Self.side(content, at: 6), height: Self.side(content, at: 9))
        frame = content.part(from: 16, count: content.count)
      case "ALPH" where transparency == nil:
        transparency = position
      case "VP8 " where frame == nil, "VP8L" where frame == nil:
        let start = transparency ?? position
        frame = file.part(from: start, count: position + 8 + length - start)
      case "EXIF" where exif == nil: exif = content
      case "XMP " where xmp == nil: xmp = content
      default: break
      }
      // Chunks begin at even places.
      position += 8 + length + length % 2
    }
    orientation = OrientationTag.orientation(exif: exif, xmp: xmp)
  }

  /// A side of 24 bits, which hold one less.
  private static func side(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Int {
    Int(bytes.integer(at: offset, bytes: 3)!) + 1
  }
}
