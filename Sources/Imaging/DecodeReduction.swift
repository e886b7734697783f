/// How much smaller than the file's picture a JPEG may be decoded, which saves most of the work on pictures that are much larger than
/// the view made from them. Files of other formats are always decoded in full.
package enum DecodeReduction: Int, Sendable, CaseIterable {
  /// Every pixel of the file.
  case none = 1
  /// Half the width and height.
  case half = 2
  /// A quarter of the width and height.
  case quarter = 4
  /// An eighth of the width and height: one pixel per JPEG block.
  case eighth = 8

  /// The strongest reduction after which every crop still has at least as many pixels as the view made from it, so that no detail which
  /// a view could show is lost.
  ///
  /// - Parameters:
  ///   - crops: in full-resolution coordinates; with no crop there is nothing to lose and the answer is `.none`.
  ///   - sides: width and height of each crop's view, in pixels.
  package static func strongest(for crops: [CropRectangle], sides: [Int]) -> DecodeReduction {
    precondition(crops.count == sides.count, "each crop has its view")
    guard !crops.isEmpty else { return .none }
    return allCases.last { reduction in
      zip(crops, sides).allSatisfy { min($0.width, $0.height) >= $1 * reduction.rawValue }
    } ?? .none
  }

  /// The decoded length of a side with `length` pixels in the file.
  func applied(to length: Int) -> Int { (length + rawValue - 1) / rawValue }
}
