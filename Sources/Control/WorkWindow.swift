/// What an image costs the workers: from their counters over the last minute, or since the start where nothing was made in it.
package struct WorkWindow: Sendable {
  /// What the workers have done so far.
  package struct Sample: CounterSample, Equatable {
    /// One of the two stages of an image's way: how often it was done, and what it took.
    package struct Stage: Sendable, Equatable {
      /// Images that have it behind them.
      package var images: UInt64
      /// Time of workers that it took, waiting for files and for a core included.
      package var busyNanoseconds: UInt64
      /// What of that they had a core.
      package var coreNanoseconds: UInt64

      package init(images: UInt64 = 0, busyNanoseconds: UInt64 = 0, coreNanoseconds: UInt64 = 0) {
        self.images = images
        self.busyNanoseconds = busyNanoseconds
        self.coreNanoseconds = coreNanoseconds
      }
    }

    /// When this was so, by a clock that only goes forward.
    package var nanoseconds: UInt64
    /// Up to the crops, and the style embedding.
    package var prepared = Stage()
    /// Style and what follows, publishing included.
    package var finished = Stage()
    /// For how long workers have waited for files.
    package var readWaitNanoseconds: UInt64 = 0
    /// Bytes of files that were read.
    package var readBytes: UInt64 = 0

    package init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    package func continues(_ other: Sample) -> Bool { nanoseconds >= other.nanoseconds }
  }

  /// The means of one image.
  package struct Cost: Sendable, Equatable {
    /// Time of one worker, waiting included, in seconds.
    package var workerSeconds: Double
    /// Time of one core, in seconds.
    package var coreSeconds: Double
    /// What the worker waits for the file, in seconds.
    package var readWaitSeconds: Double
    /// Size of the file, in bytes.
    package var fileBytes: Double

    package init(workerSeconds: Double, coreSeconds: Double, readWaitSeconds: Double = 0, fileBytes: Double = 0) {
      self.workerSeconds = workerSeconds
      self.coreSeconds = coreSeconds
      self.readWaitSeconds = readWaitSeconds
      self.fileBytes = fileBytes
    }
  }

  private let start: Sample
  private var window: CounterWindow<Sample>

  /// A window that begins at `start`.
  package init(from start: Sample) {
    self.start = start
    window = CounterWindow(from: start)
  }

  /// Notes where the counters are; call it every second or so.
  package mutating func note(_ sample: Sample) { window.note(sample) }

  /// What an image costs, by the window up to `now`; `nil` where none was made yet.
  package func cost(until now: Sample) -> Cost? {
    Self.cost(from: window.samples(until: now)[0], to: now) ?? Self.cost(from: start, to: now)
  }

  private static func cost(from first: Sample, to last: Sample) -> Cost? {
    let prepared = last.prepared.images - first.prepared.images
    let finished = last.finished.images - first.finished.images
    guard prepared > 0, finished > 0 else { return nil }
    // Each stage by its own images: many more may be prepared than finished, or the other way round.
    func seconds(_ key: KeyPath<Sample.Stage, UInt64>) -> Double {
      Double(last.prepared[keyPath: key] - first.prepared[keyPath: key]) / Double(prepared) / 1e9
        + Double(last.finished[keyPath: key] - first.finished[keyPath: key]) / Double(finished) / 1e9
    }
    return Cost(
      workerSeconds: seconds(\.busyNanoseconds), coreSeconds: seconds(\.coreNanoseconds),
      readWaitSeconds: Double(last.readWaitNanoseconds - first.readWaitNanoseconds) / Double(prepared) / 1e9,
      fileBytes: Double(last.readBytes - first.readBytes) / Double(prepared))
  }
}
