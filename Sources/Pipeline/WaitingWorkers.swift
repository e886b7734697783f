import Basics

/// The workers that wait because the machine lacks something.
package final class WaitingWorkers: Sendable {
  /// Told when a worker begins to wait.
  private let onWait: @Sendable (Shortage) -> Void
  private let lock = Lock()
  /// Guarded by `lock`.
  private nonisolated(unsafe) var count = 0
  private nonisolated(unsafe) var last: Shortage?
  private nonisolated(unsafe) var hasEnded = false

  /// No worker waits yet.
  package init(onWait: @escaping @Sendable (Shortage) -> Void = { _ in }) { self.onWait = onWait }

  /// A worker begins to wait; `end()` must follow.
  func begin(_ shortage: Shortage) {
    lock.withLock {
      count += 1
      last = shortage
    }
    onWait(shortage)
  }

  /// A worker goes on, or gives up.
  func end() { lock.withLock { count -= 1 } }

  /// The stream ends: nobody waits any longer, or begins to.
  package func giveUp() { lock.withLock { hasEnded = true } }

  /// Whether the stream ends, so that there is nothing to wait for.
  var isInVain: Bool { lock.withLock { hasEnded } }

  /// Why nothing comes, or less than usual; `nil` while no worker waits.
  package var sentence: String? {
    lock.withLock {
      guard count > 0, let last else { return nil }
      return "\(count) \(count == 1 ? "worker waits" : "workers wait"): \(last)"
    }
  }
}
