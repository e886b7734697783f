/// What a thread hands to the one that waits for it.
package final class Outcome<Value: Sendable>: Sendable {
  private let result = Mutex<Value?>(nil)

  /// Nothing is handed over yet.
  package init() {}

  /// Hands it over.
  package func set(_ result: Value) { self.result.withLock { $0 = result } }
  /// What was handed over; `nil` as long as nothing was.
  package var value: Value? { result.withLock { $0 } }
}
