/// Who has waited for whom lately, and how fast the trainer is: from a ring's counters over the last minute, or since the trainer attached
/// where that is later.
package struct WaitingWindow: Sendable {
  /// How far a ring's reader is, and how long each side has waited so far.
  package struct Sample: CounterSample, Equatable {
    /// When this was so, by a clock that only goes forward.
    package var nanoseconds: UInt64
    /// For how long the workers have waited for the trainer: the ring was full.
    package var fullNanoseconds: UInt64
    /// For how long the trainer has waited for a batch.
    package var starvedNanoseconds: UInt64
    /// Batches that the trainer has had and given back.
    package var usedBatches: UInt64
    /// When the trainer attached, by the same clock.
    package var attachedNanoseconds: UInt64

    package init(
      nanoseconds: UInt64, fullNanoseconds: UInt64, starvedNanoseconds: UInt64, usedBatches: UInt64 = 0,
      attachedNanoseconds: UInt64 = 0
    ) {
      self.nanoseconds = nanoseconds
      self.fullNanoseconds = fullNanoseconds
      self.starvedNanoseconds = starvedNanoseconds
      self.usedBatches = usedBatches
      self.attachedNanoseconds = attachedNanoseconds
    }

    package func continues(_ other: Sample) -> Bool {
      nanoseconds >= other.nanoseconds && fullNanoseconds >= other.fullNanoseconds
        && starvedNanoseconds >= other.starvedNanoseconds && usedBatches >= other.usedBatches
        && attachedNanoseconds == other.attachedNanoseconds
    }
  }

  /// What the window shows.
  package struct Waits: Sendable, Equatable {
    /// Part of the time in which the workers waited for the trainer, in percent from 0 to 100.
    package var fullPercent = 0.0
    /// Part of the time in which the trainer waited for a batch, in percent from 0 to 100.
    package var starvedPercent = 0.0
    /// Batches that the trainer takes a second while it does not wait, its pauses included; `nil` where it has taken none, or
    /// has waited nearly all the time.
    package var batchesPerSecond: Double?
    /// For how long the trainer waited between two times at which the ring was full, at most: what a burst lacked. In seconds.
    package var longestBurstWait = 0.0

    package init() {}
  }

  /// Of the time, in percent: when less than this remains beside the waiting, the trainer's speed does not show.
  private static let leastWork = 2.0

  private var window: CounterWindow<Sample>

  /// A window that begins at `start`.
  package init(from start: Sample) { window = CounterWindow(from: start) }

  /// Notes where the counters are; call it every second or so.
  package mutating func note(_ sample: Sample) { window.note(sample) }

  /// What the window up to `now` shows.
  package func waits(until now: Sample) -> Waits {
    let samples = window.samples(until: now)
    let first = samples[0]
    var waits = Waits()
    guard now.nanoseconds > first.nanoseconds else { return waits }
    let duration = Double(now.nanoseconds - first.nanoseconds)
    // Counters of another process's making may lie; no share is above everything.
    func percent(_ key: KeyPath<Sample, UInt64>) -> Double {
      min(1, Double(now[keyPath: key] - first[keyPath: key]) / duration) * 100
    }
    waits.fullPercent = percent(\.fullNanoseconds)
    waits.starvedPercent = percent(\.starvedNanoseconds)
    let used = now.usedBatches - first.usedBatches
    if used > 0, waits.starvedPercent <= 100 - Self.leastWork {
      waits.batchesPerSecond = Double(used) / (duration / 1e9 * (1 - waits.starvedPercent / 100))
    }
    var waited = 0.0
    for (before, after) in zip(samples, samples.dropFirst()) {
      let starved = Double(after.starvedNanoseconds - before.starvedNanoseconds)
      waited += starved
      waits.longestBurstWait = max(waits.longestBurstWait, waited / 1e9)
      if Double(after.fullNanoseconds - before.fullNanoseconds) > starved { waited = 0 }
    }
    return waits
  }
}
