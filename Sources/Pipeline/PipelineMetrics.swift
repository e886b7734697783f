import Basics
import FoundationEssentials
import Glibc

/// Counts what the workers do: images, core time by stage, and the rate of the last ten seconds; and how long an image is in each stage,
/// and a batch in work and in the ring.
package final class PipelineMetrics: Sendable {
  /// A stage of an image's way; the order is that of the work.
  package enum Stage: Int, CaseIterable, Sendable {
    case read, decode, crop, embed, stylize, augment
  }

  /// What one worker adds up before it reports, so that no lock is taken inside an image.
  package struct Times: Sendable {
    package private(set) var nanoseconds = [UInt64](repeating: 0, count: Stage.allCases.count)
    /// What of the reading was waiting: for a disk, or a network.
    package private(set) var readWaitNanoseconds: UInt64 = 0
    /// Bytes that were read.
    package private(set) var readBytes: UInt64 = 0

    package init() {}

    /// Runs `body` and books its time under `stage`.
    package mutating func measure<Result, Failure: Error>(
      _ stage: Stage, _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
      let start = clockNanoseconds()
      defer { nanoseconds[stage.rawValue] += clockNanoseconds() - start }
      return try body()
    }

    /// Runs `body`, which reads a file and returns its bytes, and books how long that took, and what of it was waiting.
    package mutating func measureReading<Failure: Error>(
      _ body: () throws(Failure) -> UnsafeRawBufferPointer
    ) throws(Failure) -> UnsafeRawBufferPointer {
      let start = (clock: clockNanoseconds(), core: threadCoreNanoseconds())
      defer {
        let taken = clockNanoseconds() - start.clock
        nanoseconds[Stage.read.rawValue] += taken
        // Two clocks: their difference may be a little below nothing.
        readWaitNanoseconds += taken - min(taken, threadCoreNanoseconds() - start.core)
      }
      let bytes = try body()
      readBytes += UInt64(bytes.count)
      return bytes
    }

    package mutating func add(_ other: Times) {
      for index in nanoseconds.indices { nanoseconds[index] += other.nanoseconds[index] }
      readWaitNanoseconds += other.readWaitNanoseconds
      readBytes += other.readBytes
    }
  }

  /// How long one rank's batches took.
  package struct BatchTimes: Sendable {
    /// Making one: from the beginning of work on it until it was published.
    package var production = DurationHistogram(boundsSeconds: batchBoundsSeconds)
    /// Its age when the trainer gave it back: since it was published.
    package var age = DurationHistogram(boundsSeconds: batchBoundsSeconds)

    /// No batch yet.
    package init() {}
  }

  /// From a tenth of a millisecond, in which a small file is read, to what a disk that hangs takes.
  private static let stageBoundsSeconds = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5,
  ]
  /// From small batches that a fast trainer waits for to those that outlast its validation.
  private static let batchBoundsSeconds = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500,
  ]

  private struct State {
    var steps: UInt64 = 0
    var images: UInt64 = 0
    var replaced: UInt64 = 0
    var times = Times()
    var preparing = WorkerTime()
    var finishing = WorkerTime()
    /// By stage, of images that went through it.
    var stages = [DurationHistogram](
      repeating: DurationHistogram(boundsSeconds: stageBoundsSeconds), count: Stage.allCases.count)
    /// By rank.
    var batches: [Int: BatchTimes] = [:]
    /// When the last images were made: (uptime, images so far), at most one entry every half second.
    var history: [(at: TimeInterval, images: UInt64)] = []
  }

  private let state = Mutex(State())

  package init() {}

  /// Books one stage of one image, whichever batch it belongs to: its own `times`, and the worker's `preparing` or `finishing`.
  ///
  /// - Parameter finished: of an image that is now finished, what each stage took, in nanoseconds; those that it did not go through
  ///   are 0.
  package func add(_ times: Times, preparing: WorkerTime, finishing: WorkerTime, finished: [UInt64]?) {
    state.withLock { state in
      state.steps += 1
      state.times.add(times)
      state.preparing.add(preparing)
      state.finishing.add(finishing)
      guard let finished else { return }
      for (stage, nanoseconds) in finished.enumerated() where nanoseconds > 0 {
        state.stages[stage].add(nanoseconds: nanoseconds)
      }
    }
  }

  /// Books what making a batch took, in nanoseconds.
  package func addProduction(ofRank rank: Int, nanoseconds: UInt64) {
    state.withLock { $0.batches[rank, default: BatchTimes()].production.add(nanoseconds: nanoseconds) }
  }

  /// Books the age at which the trainer gave a batch back, in nanoseconds.
  package func addAge(ofRank rank: Int, nanoseconds: UInt64) {
    state.withLock { $0.batches[rank, default: BatchTimes()].age.add(nanoseconds: nanoseconds) }
  }

  /// Books what publishing a batch took; it is part of finishing its images.
  package func addPublishing(_ time: WorkerTime) { state.withLock { $0.finishing.add(time) } }

  /// Books a batch that was published.
  package func published(images: Int, replaced: Int) {
    let now = ProcessInfo.processInfo.systemUptime
    state.withLock { state in
      state.images += UInt64(images)
      state.replaced += UInt64(replaced)
      if now - (state.history.last?.at ?? 0) >= 0.5 { state.history.append((now, state.images)) }
      // Keep one entry older than the window, to measure from.
      while state.history.count > 2 && state.history[1].at < now - Self.window { state.history.removeFirst() }
    }
  }

  /// Length of the window of `imagesPerSecond`, in seconds.
  private static let window = 10.0

  /// Everything at one moment.
  package struct Snapshot: Sendable {
    /// Stages of images that are done: grows also while a large batch is far from complete.
    package var steps: UInt64
    package var images: UInt64
    package var replaced: UInt64
    package var imagesPerSecond: Double
    package var times: Times
    /// Of the workers, in the first stage of images: `count` of them are done.
    package var preparing: WorkerTime
    /// The same for the second stage, with the publishing of batches.
    package var finishing: WorkerTime
    /// How long images were in each stage: of those that went through it, in the order of `Stage`.
    package var stages: [DurationHistogram]
    /// How long batches took, by rank; a rank without any is missing.
    package var batches: [Int: BatchTimes]
  }

  /// What has been counted so far.
  package func snapshot() -> Snapshot {
    let now = ProcessInfo.processInfo.systemUptime
    return state.withLock { state in
      let first = state.history.first { $0.at >= now - Self.window } ?? state.history.last
      let rate = first.map { now > $0.at ? Double(state.images - $0.images) / (now - $0.at) : 0 } ?? 0
      return Snapshot(
        steps: state.steps, images: state.images, replaced: state.replaced, imagesPerSecond: rate, times: state.times,
        preparing: state.preparing, finishing: state.finishing, stages: state.stages, batches: state.batches)
    }
  }
}
