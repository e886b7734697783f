import Basics

/// The workers that wait because the machine lacks something.
package final class WaitingWorkers: Sendable {
  /// Told when a worker begins to wait.
  private let onWait: @Sendable (Shortage) -> Void
  private let state = Mutex(State())

  private struct State {
    /// How many wait.
    var count = 0
    /// What the one that began last lacks.
    var last: Shortage?
    var hasEnded = false
  }

  /// No worker waits yet.
  package init(onWait: @escaping @Sendable (Shortage) -> Void = { _ in }) { self.onWait = onWait }

  /// A worker begins to wait; `end()` must follow.
  func begin(_ shortage: Shortage) {
    state.withLock {
      $0.count += 1
      $0.last = shortage
    }
    onWait(shortage)
  }

  /// A worker goes on, or gives up.
  func end() { state.withLock { $0.count -= 1 } }

  /// The stream ends: nobody waits any longer, or begins to.
  package func giveUp() { state.withLock { $0.hasEnded = true } }

  /// Whether the stream ends, so that there is nothing to wait for.
  var isInVain: Bool { state.withLock { $0.hasEnded } }

  /// How many wait.
  package var count: Int { state.withLock { $0.count } }

  /// Why nothing comes, or less than usual; `nil` while no worker waits.
  package var sentence: String? {
    state.withLock {
      guard $0.count > 0, let last = $0.last else { return nil }
      return "\($0.count) \($0.count == 1 ? "worker waits" : "workers wait"): \(last)"
    }
  }
}
