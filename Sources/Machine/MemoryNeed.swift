/// About how much memory the service takes, so that a limit which is far below can be told at the start: the kernel
/// kills without a word.
package struct MemoryNeed: Sendable {
  /// The program, its libraries and the style networks, in bytes.
  private static let base: UInt64 = 64 << 20
  /// What one worker keeps: a decoded photograph and what the style networks work in, in bytes.
  private static let worker: UInt64 = 32 << 20

  /// Bytes of all rings together, as far as they lie in memory.
  package let rings: UInt64
  /// How many workers there are.
  package let workers: Int

  /// What rings and workers need.
  package init(rings: UInt64, workers: Int) {
    self.rings = rings
    self.workers = workers
  }

  /// All of it, in bytes.
  package var total: UInt64 { rings + Self.base + UInt64(workers) * Self.worker }
}
