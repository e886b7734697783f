import Dispatch

/// State that belongs to a serial queue: only what runs on the queue can reach it.
final class QueueConfined<State>: @unchecked Sendable {
  // Unchecked because the compiler does not know that one block of a serial queue runs after another.
  private let queue: DispatchQueue
  private var state: State

  /// Leaves `state` to a serial queue; nobody else may have parts of it.
  init(_ state: State, to queue: DispatchQueue) {
    self.state = state
    self.queue = queue
  }

  /// Runs `body` on the queue, and waits for it.
  func sync<Result, Failure: Error>(_ body: (inout State) throws(Failure) -> Result) throws(Failure) -> Result {
    try queue.sync { Swift.Result { () throws(Failure) in try body(&state) } }.get()
  }

  /// Runs `body` on the queue when `interval` is over.
  func async(after interval: DispatchTimeInterval, _ body: @escaping @Sendable (inout State) -> Void) {
    queue.asyncAfter(deadline: .now() + interval) { body(&self.state) }
  }
}
