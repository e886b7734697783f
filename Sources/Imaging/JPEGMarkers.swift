/// The one thing that libjpeg does not tell about a JPEG file: the orientation, found by walking the markers before the first scan.
struct JPEGMarkers {
  /// The orientation, upright where the file names none.
  let orientation: ImageOrientation

  /// Walks the markers of a file that begins like a JPEG.
  init(_ bytes: UnsafeRawBufferPointer) {
    var exif: [UnsafeRawBufferPointer] = []
    var xmp: UnsafeRawBufferPointer?
    var position = 2
    while position + 4 <= bytes.count {
      // Like libjpeg, skip what is no marker, and the fill bytes before one.
      guard bytes[position] == 0xFF, bytes[position + 1] != 0xFF else {
        position += 1
        continue
      }
      let marker = bytes[position + 1]
      if marker == 0x00 || marker == 0x01 || (0xD0...0xD8).contains(marker) {
        position += 2
        continue
      }
      // The first scan or the end of the image: no metadata are read behind it.
      if marker == 0xDA || marker == 0xD9 { break }
      let length = Int(bytes[position + 2]) << 8 | Int(bytes[position + 3])
      guard length >= 2, position + 2 + length <= bytes.count else { break }
      if marker == 0xE1 {
        let payload = UnsafeRawBufferPointer(rebasing: bytes[(position + 4)..<(position + 2 + length)])
        if payload.starts(with: Self.exifName) {
          // What does not fit into one segment goes on in the next.
          exif.append(exif.isEmpty ? payload : UnsafeRawBufferPointer(rebasing: payload.dropFirst(Self.exifName.count)))
        } else if payload.starts(with: Self.xmpName) {
          xmp = UnsafeRawBufferPointer(rebasing: payload.dropFirst(Self.xmpName.count))
        }
      }
      position += 2 + length
    }
    if exif.count > 1 {
      orientation = Array(exif.joined()).withUnsafeBytes { OrientationTag.orientation(exif: $0, xmp: xmp) }
    } else {
      orientation = OrientationTag.orientation(exif: exif.first, xmp: xmp)
    }
  }

  private static let exifName = Array("Exif\0\0".utf8)
  private static let xmpName = Array("http://ns.adobe.com/xap/1.0/\0".utf8)
}
