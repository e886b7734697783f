/// What a thread hands to the one that waits for it.
package final class Outcome<Value: Sendable>: Sendable {
  private let lock = Lock()
  /// Guarded by `lock`.
  private nonisolated(unsafe) var result: Value?

  /// Nothing is handed over yet.
  package init() {}

  /// Hands it over.
  package func set(_ result: Value) { lock.withLock { self.result = result } }
  /// What was handed over; `nil` as long as nothing was.
  package var value: Value? { lock.withLock { result } }
}
