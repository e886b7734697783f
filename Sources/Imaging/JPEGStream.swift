import CTurboJPEG

/// One JPEG file in libjpeg-turbo's hands.
///
/// Every file gets a handle of its own: a handle keeps the quantization and Huffman tables of the file before, and a damaged file without
/// tables would be decoded with those, that is differently by every worker. A new handle costs microseconds.
struct JPEGStream: ~Copyable {
  private let handle: tjhandle
  private let bytes: UnsafeRawBufferPointer

  /// - Throws: ``ImagingError/outOfMemory(detail:)``.
  init(_ bytes: UnsafeRawBufferPointer) throws(ImagingError) {
    guard let handle = tjInitDecompress() else {
      throw .outOfMemory(detail: String(cString: tjGetErrorStr2(nil)))
    }
    self.handle = handle
    self.bytes = bytes
  }

  deinit { tjDestroy(handle) }

  /// The stored picture's sides in pixels and its TJCS colour space, -1 for a nameless one.
  func size() throws(ImagingError) -> (width: Int, height: Int, colorSpace: Int32) {
    var width: Int32 = -1
    var height: Int32 = -1
    var subsampling: Int32 = -1
    var colorSpace: Int32 = -1
    let source = bytes.bindMemory(to: UInt8.self).baseAddress
    let status = tjDecompressHeader3(handle, source, UInt(bytes.count), &width, &height, &subsampling, &colorSpace)
    // The library refuses to name unusual chroma subsampling, but it has read the size by then and decodes such files well. And it takes
    // a file that ends before the picture's header for one that is meant to hold only tables.
    guard width > 0, height > 0 else {
      throw status == 0 ? .truncated(format: .jpeg, detail: "the picture's header is missing") : failure()
    }
    return (Int(width), Int(height), colorSpace)
  }

  /// Decodes to `width` x `height` pixels, one of the library's reduced sizes.
  func decompress(
    to target: UnsafeMutablePointer<UInt8>, width: Int, height: Int, format: TJPF
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
    return ["extraneous bytes before marker", "Invalid SOS parameters", "Unknown Adobe", "JFIF"]
      .contains { detail.contains($0) }
  }

  private func failure() -> ImagingError {
    let detail = String(cString: tjGetErrorStr2(handle))
    // Of libjpeg and of what is wrapped around it.
    let refusals = ["Insufficient memory", "Memory allocation failure"]
    if refusals.contains(where: detail.contains) { return .outOfMemory(detail: detail) }
    let ends = ["Premature end", "premature end", "Input file read error", "contains no image", "missing SOS"]
    if ends.contains(where: detail.contains) { return .truncated(format: .jpeg, detail: detail) }
    let unsupported = ["Unsupported", "unsupported", "not supported", "Unrecognized", "arithmetic"]
    if unsupported.contains(where: detail.contains) { return .unsupported(format: .jpeg, detail: detail) }
    return .corrupt(format: .jpeg, detail: detail)
  }
}
