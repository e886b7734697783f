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

    package init() {}

    /// Runs `body` and books its time under `stage`.
    package mutating func measure<Result, Failure: Error>(
      _ stage: Stage, _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
      let start = clockNanoseconds()
      defer { nanoseconds[stage.rawValue] += clockNanoseconds() - start }
      return try body()
    }

    package mutating func add(_ other: Times) {
      for index in nanoseconds.indices { nanoseconds[index] += other.nanoseconds[index] }
    }
  }

  private struct State {
    var steps: UInt64 = 0
    var images: UInt64 = 0
    var replaced: UInt64 = 0
    var times = Times()
    /// When the last images were made: (uptime, images so far), at most one entry every half second.
    var history: [(at: TimeInterval, images: UInt64)] = []
  }

  private let lock = Lock()
  private nonisolated(unsafe) var state = State()

  package init() {}

  /// Books one stage of one image, whichever batch it belongs to.
  package func add(_ times: Times) {
    lock.withLock {
      state.steps += 1
      state.times.add(times)
    }
  }

  /// Books a batch that was published.
  package func published(images: Int, replaced: Int) {
    let now = ProcessInfo.processInfo.systemUptime
    lock.withLock {
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
  }

  /// What has been counted so far.
  package func snapshot() -> Snapshot {
    let now = ProcessInfo.processInfo.systemUptime
    return lock.withLock {
      let first = state.history.first { $0.at >= now - Self.window } ?? state.history.last
      let rate = first.map { now > $0.at ? Double(state.images - $0.images) / (now - $0.at) : 0 } ?? 0
      return Snapshot(
        steps: state.steps, images: state.images, replaced: state.replaced, imagesPerSecond: rate, times: state.times)
    }
  }
}
