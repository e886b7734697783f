/// Who has waited for whom lately: shares of the last minute, from counters that only grow.
package struct WaitingWindow: Sendable {
  /// How long each side of a ring has waited so far.
  package struct Mark: Sendable, Equatable {
    /// When this was so, by a clock that only goes forward.
    package var nanoseconds: UInt64
    /// For how long the workers have waited for the trainer: the ring was full.
    package var fullNanoseconds: UInt64
    /// For how long the trainer has waited for a batch.
    package var starvedNanoseconds: UInt64

    package init(nanoseconds: UInt64, fullNanoseconds: UInt64, starvedNanoseconds: UInt64) {
      self.nanoseconds = nanoseconds
      self.fullNanoseconds = fullNanoseconds
      self.starvedNanoseconds = starvedNanoseconds
    }
  }

  /// Length of the window in seconds.
  package static let seconds: UInt64 = 60

  private var marks: [Mark]

  /// A window that begins at `start`.
  package init(from start: Mark) { marks = [start] }

  /// Notes where the counters are; marks that are too old to measure from are forgotten.
  package mutating func note(_ mark: Mark) {
    marks.append(mark)
    let edge = mark.nanoseconds - min(mark.nanoseconds, Self.seconds * 1_000_000_000)
    // One mark at or before the edge stays, to measure from.
    while marks.count > 2 && marks[1].nanoseconds <= edge { marks.removeFirst() }
  }

  /// The shares of the window up to `now`, in percent from 0 to 100.
  package func percentages(until now: Mark) -> (full: Double, starved: Double) {
    let start = marks[0]
    func share(_ key: KeyPath<Mark, UInt64>) -> Double {
      // Counters of another process's making may lie; no share is below nothing or above everything.
      guard now.nanoseconds > start.nanoseconds, now[keyPath: key] > start[keyPath: key] else { return 0 }
      let part = Double(now[keyPath: key] - start[keyPath: key]) / Double(now.nanoseconds - start.nanoseconds)
      return min(1, part) * 100
    }
    return (share(\.fullNanoseconds), share(\.starvedNanoseconds))
  }
}
