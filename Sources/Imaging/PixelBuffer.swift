/// A view of packed 8-bit RGB pixels in memory that somebody else owns: rows from top to bottom, each row
/// `width` pixels of red, green, blue, with no gaps.
///
/// The operations of this module work on it in place, so that a view can be made where it will be read, for example in a
/// shared-memory ring.
///
/// It may cross threads, but carries no lock: while one thread writes through it, no other may use the same memory.
package struct PixelBuffer: @unchecked Sendable {
  /// The red sample of the top left pixel; `byteCount` bytes are valid from here.
  package let base: UnsafeMutablePointer<UInt8>
  /// Pixels per row, at least 1.
  package let width: Int
  /// Rows, at least 1.
  package let height: Int

  /// Describes `width * height * 3` bytes at `base`, which must stay allocated as long as the buffer is used.
  package init(base: UnsafeMutablePointer<UInt8>, width: Int, height: Int) {
    precondition(width > 0 && height > 0, "a pixel buffer has at least one pixel")
    self.base = base
    self.width = width
    self.height = height
  }

  /// Bytes of one row.
  package var rowBytes: Int { width &* 3 }

  /// Bytes of the whole picture.
  package var byteCount: Int { width &* height &* 3 }

  /// The pixels as one run of bytes, height x width x 3.
  package var bytes: UnsafeMutableBufferPointer<UInt8> {
    UnsafeMutableBufferPointer(start: base, count: byteCount)
  }

  /// Copies every pixel of `source`, which must have the same size and must not overlap.
  package func copy(from source: PixelBuffer) {
    precondition(source.width == width && source.height == height, "only pictures of one size can be copied")
    base.update(from: source.base, count: byteCount)
  }
}
