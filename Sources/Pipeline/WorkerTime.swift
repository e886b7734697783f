import Basics

/// What a worker's time went into, as sums: how long it was at work, and for how much of that it had a core.
package struct WorkerTime: Sendable, Equatable {
  /// How many pieces of work were done.
  package var count: UInt64 = 0
  /// From beginning to end of each, waiting for files and for a core included.
  package var busyNanoseconds: UInt64 = 0
  /// What of that the thread had a core.
  package var coreNanoseconds: UInt64 = 0

  /// No time yet.
  package init() {}

  /// Runs `body` and books its time; it counts as `pieces` of work.
  package mutating func measure<Result, Failure: Error>(
    pieces: UInt64 = 1, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let start = (clock: clockNanoseconds(), core: threadCoreNanoseconds())
    defer {
      count += pieces
      busyNanoseconds += clockNanoseconds() - start.clock
      coreNanoseconds += threadCoreNanoseconds() - start.core
    }
    return try body()
  }

  /// Adds what another thread has measured.
  package mutating func add(_ other: WorkerTime) {
    count += other.count
    busyNanoseconds += other.busyNanoseconds
    coreNanoseconds += other.coreNanoseconds
  }
}
