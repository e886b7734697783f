/// Counters at one moment. They only grow, unless whoever counts begins anew.
package protocol CounterSample: Sendable {
  /// When they were read, by a clock that only goes forward.
  var nanoseconds: UInt64 { get }

  /// Whether this follows on `other`: the same side counts, and no counter is below what it was.
  func continues(_ other: Self) -> Bool
}

/// The counters of the last minute, about one sample a second.
struct CounterWindow<Sample: CounterSample>: Sendable {
  /// Length of the window in seconds.
  static var seconds: UInt64 { 60 }

  /// At least one, the oldest first.
  private(set) var samples: [Sample]

  /// A window that begins at `start`.
  init(from start: Sample) { samples = [start] }

  /// Notes where the counters are; samples that are too old to measure from are forgotten, and where counting has begun anew all of them.
  mutating func note(_ sample: Sample) {
    guard sample.continues(samples[samples.count - 1]) else {
      samples = [sample]
      return
    }
    samples.append(sample)
    let edge = sample.nanoseconds - min(sample.nanoseconds, Self.seconds * 1_000_000_000)
    // One sample at or before the edge stays, to measure from.
    while samples.count > 2 && samples[1].nanoseconds <= edge { samples.removeFirst() }
  }

  /// The samples with `now` behind them.
  func samples(until now: Sample) -> [Sample] {
    var window = self
    window.note(now)
    return window.samples
  }
}
