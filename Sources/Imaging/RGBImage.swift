import Memory

/// A picture that owns its pixels: packed 8-bit RGB, height x width x 3.
///
/// Its memory grows when a larger picture needs it and is kept when a smaller one follows, so a worker that decodes file
/// after file into the same image soon stops allocating. Not `Sendable`: it belongs to one worker.
package final class RGBImage {
  /// The pixels; valid until the image is reshaped or destroyed. They do not keep the image alive, and neither does a variable
  /// that is not looked at any more: `withExtendedLifetime` does.
  package private(set) var pixels: PixelBuffer
  /// How much smaller than the file's picture the pixels are.
  package private(set) var reduction: DecodeReduction = .none
  /// Width in the file, in pixels, after orientation was applied; `pixels.width` where nothing was reduced.
  package private(set) var originalWidth: Int
  /// Height in the file, in pixels, after orientation was applied; `pixels.height` where nothing was reduced.
  package private(set) var originalHeight: Int
  /// How many columns of the file's resolution the first column of `pixels` has in front of the picture. Where a side is no multiple of the
  /// reduction, the last column or row that is stored lies partly beyond the picture; turning may put it first.
  private(set) var columnsBefore = 0
  /// As `columnsBefore`, for the first row.
  private(set) var rowsBefore = 0

  private var memory = GrowingMemory<UInt8>()

  /// A picture of `width` x `height` pixels with undefined content.
  package init(width: Int, height: Int) {
    precondition(width > 0 && height > 0, "an image has at least one pixel")
    pixels = PixelBuffer(base: memory.demand(width * height * 3), width: width, height: height)
    originalWidth = width
    originalHeight = height
  }

  /// Pixels per row.
  package var width: Int { pixels.width }

  /// Rows.
  package var height: Int { pixels.height }

  /// The whole picture as a crop rectangle, in original coordinates.
  package var fullFrame: CropRectangle { CropRectangle(x: 0, y: 0, width: originalWidth, height: originalHeight) }

  /// Gives the image a new size; the content becomes undefined. Allocates only where the memory it has is too small.
  ///
  /// - Throws: ``ImagingError/outOfMemory(detail:)``; the image is then as it was.
  func reshape(width: Int, height: Int) throws(ImagingError) {
    precondition(width > 0 && height > 0, "an image has at least one pixel")
    let base = try memory.reserve(width * height * 3, for: "pixels")
    pixels = PixelBuffer(base: base, width: width, height: height)
    originalWidth = width
    originalHeight = height
    reduction = .none
    columnsBefore = 0
    rowsBefore = 0
  }

  /// Gives the image the size of a file's picture that is decoded at a fraction of it.
  ///
  /// - Throws: ``ImagingError/outOfMemory(detail:)``; the image is then as it was.
  func reshape(for header: ImageHeader, reduction: DecodeReduction) throws(ImagingError) {
    try reshape(width: reduction.applied(to: header.width), height: reduction.applied(to: header.height))
    originalWidth = header.width
    originalHeight = header.height
    self.reduction = reduction
    if header.orientation.reversesColumns { columnsBefore = width * reduction.rawValue - originalWidth }
    if header.orientation.reversesRows { rowsBefore = height * reduction.rawValue - originalHeight }
  }
}
