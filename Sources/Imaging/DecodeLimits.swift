/// What a file may cost. Both limits are checked before anything of that size is allocated, so a few hostile bytes cannot
/// exhaust the memory. What a file has besides pixels (texts, tags) is bounded by the decoder of its format.
package struct DecodeLimits: Sendable, Equatable {
  /// The most pixels (width times height) that a picture may have.
  package var maximumPixels: Int
  /// The most bytes that a file may have.
  package var maximumBytes: Int

  /// Limits for pictures of at most `maximumPixels` in files of at most `maximumBytes`.
  package init(maximumPixels: Int, maximumBytes: Int) {
    self.maximumPixels = maximumPixels
    self.maximumBytes = maximumBytes
  }

  /// 50 million pixels (150 MB decoded) and 64 MiB: above any camera's JPEG, below any bomb.
  package static let standard = DecodeLimits(maximumPixels: 50_000_000, maximumBytes: 64 << 20)
}
