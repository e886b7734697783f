import Basics
import FoundationEssentials
import Glibc

/// Counts what the workers do: images, core time by stage, and the rate of the last ten seconds.
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

  private struct State {
    var steps: UInt64 = 0
    var images: UInt64 = 0
    var replaced: UInt64 = 0
    var times = Times()
    var preparing = WorkerTime()
    var finishing = WorkerTime()
    /// When the last images were made: (uptime, images so far), at most one entry every half second.
    var history: [(at: TimeInterval, images: UInt64)] = []
  }

  private let state = Mutex(State())

  package init() {}

  /// Books one stage of one image, whichever batch it belongs to: its own `times`, and the worker's `preparing` or `finishing`.
  package func add(_ times: Times, preparing: WorkerTime, finishing: WorkerTime) {
    state.withLock { state in
      state.steps += 1
      state.times.add(times)
      state.preparing.add(preparing)
      state.finishing.add(finishing)
    }
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
  }

  /// What has been counted so far.
  package func snapshot() -> Snapshot {
    let now = ProcessInfo.processInfo.systemUptime
    return state.withLock { state in
      let first = state.history.first { $0.at >= now - Self.window } ?? state.history.last
      let rate = first.map { now > $0.at ? Double(state.images - $0.images) / (now - $0.at) : 0 } ?? 0
      return Snapshot(
        steps: state.steps, images: state.images, replaced: state.replaced, imagesPerSecond: rate, times: state.times,
        preparing: state.preparing, finishing: state.finishing)
    }
  }
}
