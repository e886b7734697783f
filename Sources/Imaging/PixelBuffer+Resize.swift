import CImagingKernels

extension PixelBuffer {
  /// Fills this buffer with the part `crop` of `image`, resampled with antialiasing: torchvision's `resized_crop` on 8-bit
  /// tensors, bit for bit, where the image was decoded in full.
  ///
  /// - Parameters:
  ///   - image: the source, which may be reduced.
  ///   - crop: the part to show, in full-resolution coordinates; it must lie inside the picture.
  package func resizedCrop(
    from image: RGBImage, _ crop: CropRectangle, filter: ResamplingFilter = .bilinear, workspace: PixelWorkspace
  ) {
    precondition(
      crop.x >= 0 && crop.y >= 0 && crop.width > 0 && crop.height > 0 && crop.x + crop.width <= image.originalWidth
        && crop.y + crop.height <= image.originalHeight, "the crop lies outside the picture")
    let factor = Double(image.reduction.rawValue)
    resample(
      image.pixels,
      columns: Span(
        origin: Double(crop.x + image.columnsBefore) / factor, length: Double(crop.width) / factor,
        limit: image.width),
      rows: Self.rows(of: crop, in: image), filter: filter, workspace: workspace)
  }

  /// Fills this buffer with all of `source`, resampled with antialiasing: torchvision's `resize` on 8-bit tensors, bit for bit.
  /// The two must not overlap.
  package func resize(from source: PixelBuffer, filter: ResamplingFilter = .bilinear, workspace: PixelWorkspace) {
    resample(
      source, columns: Span(origin: 0, length: Double(source.width), limit: source.width),
      rows: Span(origin: 0, length: Double(source.height), limit: source.height), filter: filter, workspace: workspace)
  }

  /// The rows of `image` that a crop reads.
  fileprivate static func rows(of crop: CropRectangle, in image: RGBImage) -> Span {
    let factor = Double(image.reduction.rawValue)
    return Span(
      origin: Double(crop.y + image.rowsBefore) / factor, length: Double(crop.height) / factor, limit: image.height)
  }

  /// Part of an axis, not necessarily whole pixels.
  fileprivate struct Span {
    let origin: Double
    let length: Double
    /// The whole pixels that the part touches.
    let bounds: Range<Int>

    init(origin: Double, length: Double, limit: Int) {
      self.origin = origin
      self.length = length
      bounds = Int(origin)..<min(Int((origin + length).rounded(.up)), limit)
    }
  }

  private func resample(
    _ source: PixelBuffer, columns: Span, rows: Span, filter: ResamplingFilter, workspace: PixelWorkspace
  ) {
    let tapsPerStep = 4
    let lastReadColumn = workspace.horizontal.prepare(
      origin: columns.origin, length: columns.length, bounds: columns.bounds, outputs: width, filter: filter,
      tapMultiple: tapsPerStep)
    let rowCount = workspace.vertical.prepare(
      origin: rows.origin - Double(rows.bounds.lowerBound), length: rows.length, bounds: 0..<rows.bounds.count,
      outputs: height, filter: filter, tapMultiple: 1)
    var horizontal = workspace.horizontal.plan
    var vertical = workspace.vertical.plan

    // The kernel reads four bytes past a row's end, which is the next row, except in the last one. A picture narrower than a window
    // has no row with enough pixels.
    let overread = 4
    let rowsPerStep = 4
    let sourceRowBytes = source.rowBytes
    let spareRowBytes = max(lastReadColumn, source.width) * 3 + overread
    let spareRows = workspace.paddedRow.demand(spareRowBytes * rowsPerStep)
    let intermediate = workspace.intermediate.demand(rowCount * rowBytes)
    let readsCopies = lastReadColumn > source.width
    func sourceRow(_ row: Int) -> UnsafePointer<UInt8> {
      let start = source.base + (rows.bounds.lowerBound + row) * sourceRowBytes
      guard readsCopies || rows.bounds.lowerBound + row == source.height - 1 else { return UnsafePointer(start) }
      let copy = spareRows + row % rowsPerStep * spareRowBytes
      copy.update(from: start, count: sourceRowBytes)
      (copy + sourceRowBytes).update(repeating: 0, count: spareRowBytes - sourceRowBytes)
      return UnsafePointer(copy)
    }
    withUnsafeTemporaryAllocation(of: UnsafePointer<UInt8>?.self, capacity: rowsPerStep) { sources in
      withUnsafeTemporaryAllocation(of: UnsafeMutablePointer<UInt8>?.self, capacity: rowsPerStep) { targets in
        for firstRow in stride(from: 0, to: rows.bounds.count, by: rowsPerStep) {
          for lane in 0..<rowsPerStep {
            // The last step repeats the last row.
            let row = min(firstRow + lane, rows.bounds.count - 1)
            sources[lane] = sourceRow(row)
            targets[lane] = intermediate + row * rowBytes
          }
          imaging_resample_rows(sources.baseAddress, targets.baseAddress, width, &horizontal)
        }
      }
    }
    // Rows that a window longer than the picture names with weight zero.
    (intermediate + rows.bounds.count * rowBytes).update(repeating: 0, count: (rowCount - rows.bounds.count) * rowBytes)
    for row in 0..<height {
      imaging_resample_column(intermediate, rowBytes, base + row * rowBytes, rowBytes, row, &vertical)
    }
  }
}

extension PixelWorkspace {
  /// Reserves what `resizedCrop` of `crop` to `width` columns needs between its two passes, which for a tall crop is much; the crop
  /// itself then needs no more than small things.
  ///
  /// - Throws: ``ImagingError/outOfMemory(detail:)``.
  package func reserve(forCrop crop: CropRectangle, of image: RGBImage, width: Int) throws(ImagingError) {
    _ = try intermediate.reserve(PixelBuffer.rows(of: crop, in: image).bounds.count * width * 3, for: "the crop's rows")
  }
}
