import FoundationEssentials
import Glibc

/// A moment that people are told by the clock on the wall, and since which time is measured by one that nobody sets.
package struct Moment: Sendable {
  /// What the clock on the wall said.
  package let date = Date.now
  private let nanoseconds = clockNanoseconds()

  /// Now.
  package init() {}

  /// How long ago it was, in seconds; never less than 0, wherever the clock on the wall has jumped since.
  package var secondsSince: Double { Double(clockNanoseconds() - nanoseconds) / 1e9 }
}
