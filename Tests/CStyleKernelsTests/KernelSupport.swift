import CStyleKernels

/// The kernels of every path that this CPU can run, narrowest first.
struct KernelPath: CustomStringConvertible, Sendable {
  let kernels: style_kernels

  static let all: [KernelPath] = [STYLE_PATH_PORTABLE, STYLE_PATH_AVX2, STYLE_PATH_AVX512].compactMap {
    style_kernels_for($0).map { KernelPath(kernels: $0.pointee) }
  }

  var vector: Int { kernels.vector_length }
  var description: String { String(cString: kernels.name) }
}

/// A reproducible stream of numbers, so that a failure can be looked at twice.
struct Numbers {
  private var state: UInt64

  init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1 }

  mutating func bits() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state
  }

  /// Uniform in -1..<1.
  mutating func next() -> Float { Float(bits() >> 40) / Float(1 << 23) - 1 }

  mutating func list(_ count: Int) -> [Float] { (0..<count).map { _ in next() } }

  mutating func index(below bound: Int) -> Int { Int(bits() >> 33) % bound }
}

/// The largest relative error of one rounding to float32.
let unitRoundoff = Double(Float.ulpOfOne) / 2

/// Floats at a chosen misalignment, with sentinels on both sides that show any write outside.
final class GuardedFloats {
  private static let guardCount = 64
  private static let sentinel: Float = -12345.5
  private let base: UnsafeMutablePointer<Float>
  private let total: Int
  let count: Int
  let start: UnsafeMutablePointer<Float>

  /// - Parameter misalignment: floats past a 64-byte boundary.
  init(_ contents: [Float], misalignment: Int = 0) {
    count = contents.count
    total = contents.count + 2 * Self.guardCount + misalignment
    base = UnsafeMutableRawPointer.allocate(byteCount: total * 4, alignment: 64).bindMemory(
      to: Float.self, capacity: total)
    base.initialize(repeating: Self.sentinel, count: total)
    start = base + Self.guardCount + misalignment
    for (index, value) in contents.enumerated() { start[index] = value }
  }

  convenience init(zeros count: Int, misalignment: Int = 0) {
    self.init([Float](repeating: 0, count: count), misalignment: misalignment)
  }

  deinit { base.deallocate() }

  var values: [Float] { Array(UnsafeBufferPointer(start: start, count: count)) }

  var isUntouchedOutside: Bool {
    (base..<start).allSatisfy { $0.pointee == Self.sentinel }
      && (start + count..<base + total).allSatisfy { $0.pointee == Self.sentinel }
  }
}
