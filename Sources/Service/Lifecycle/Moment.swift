import FoundationEssentials
import Glibc

/// A moment that people are told by the clock on the wall, and since which time is measured by one that nobody sets.
struct Moment: Sendable {
  /// What the clock on the wall said.
  let date = Date.now
  private let nanoseconds = clockNanoseconds()

  /// How long ago it was, in seconds; never less than 0, wherever the clock on the wall has jumped since.
  var secondsSince: Double { Double(clockNanoseconds() - nanoseconds) / 1e9 }
}
