/// Numbers that are computed once, when a model is loaded, and then only read: packed weights.
///
/// Sendable because nothing writes to it after `init` returns.
final class AlignedNumbers<Number: BitwiseCopyable & Numeric>: @unchecked Sendable {
  let start: UnsafePointer<Number>
  let count: Int
  private let base: UnsafeMutablePointer<Number>

  /// - Parameters:
  ///   - count: how many.
  ///   - fill: writes them; they are zero before.
  init(count: Int, fill: (UnsafeMutablePointer<Number>) -> Void) {
    base = UnsafeMutableRawPointer.allocate(
      byteCount: max(1, count) * MemoryLayout<Number>.stride, alignment: ScratchMemory.alignment
    ).bindMemory(to: Number.self, capacity: max(1, count))
    base.initialize(repeating: 0, count: max(1, count))
    fill(base)
    start = UnsafePointer(base)
    self.count = count
  }

  /// A copy of these values.
  convenience init(_ values: [Number]) {
    self.init(count: values.count) { base in
      for (index, value) in values.enumerated() { base[index] = value }
    }
  }

  deinit { base.deallocate() }
}

typealias AlignedFloats = AlignedNumbers<Float>

/// The smallest multiple of `factor` that is not below `value`.
func roundUp(_ value: Int, toMultipleOf factor: Int) -> Int { (value + factor - 1) / factor * factor }

/// `numerator / denominator`, rounded up; both positive.
func dividedUp(_ numerator: Int, by denominator: Int) -> Int { (numerator + denominator - 1) / denominator }
