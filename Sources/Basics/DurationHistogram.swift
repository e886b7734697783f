/// How long something took, of many times: how many of them took no longer than each of a few bounds, and all of them together.
package struct DurationHistogram: Sendable, Equatable, Codable {
  /// The bounds of the buckets in seconds, ascending; each belongs to the bucket below it. What took longer is in one more.
  package let boundsSeconds: [Double]
  /// How many durations lie in each bucket alone; one more than there are bounds.
  package private(set) var counts: [UInt64]
  /// All durations together, in seconds.
  package private(set) var sumSeconds = 0.0

  /// A histogram of nothing yet.
  package init(boundsSeconds: [Double]) {
    self.boundsSeconds = boundsSeconds
    counts = [UInt64](repeating: 0, count: boundsSeconds.count + 1)
  }

  /// Counts a duration.
  package mutating func add(nanoseconds: UInt64) {
    let seconds = Double(nanoseconds) / 1e9
    counts[boundsSeconds.firstIndex { seconds <= $0 } ?? boundsSeconds.count] += 1
    sumSeconds += seconds
  }
}
