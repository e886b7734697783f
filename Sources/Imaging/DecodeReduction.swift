/// How much smaller than the file's picture a JPEG may be decoded, which saves most of the work on pictures that are much larger than
/// the view made from them. PNG files are always decoded in full.
package enum DecodeReduction: Int, Sendable, CaseIterable {
  /// Every pixel of the file.
  case none = 1
  /// Half the width and height.
  case half = 2
  /// A quarter of the width and height.
  case quarter = 4
  /// An eighth of the width and height: one pixel per JPEG block.
  case eighth = 8

  /// The strongest reduction after which every crop still has at least `width` x `height` pixels, so that no detail which the view
  /// could show is lost. `crops` are in full-resolution coordinates; with no crop there is nothing to lose and the answer is `.none`.
  package static func strongest(for crops: [CropRectangle], width: Int, height: Int) -> DecodeReduction {
    guard let narrowest = crops.map(\.width).min(), let lowest = crops.map(\.height).min() else { return .none }
    return allCases.last { narrowest >= width * $0.rawValue && lowest >= height * $0.rawValue } ?? .none
  }

  /// The decoded length of a side with `length` pixels in the file.
  func applied(to length: Int) -> Int { (length + rawValue - 1) / rawValue }
}
