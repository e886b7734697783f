import FoundationEssentials

/// A request to a running daemon: one line of JSON, answered by one line of JSON.
package enum ControlRequest: String, Codable, Sendable {
  /// Answered by a `StatusReport`.
  case status
  /// Answered by a `MeasuredReport`.
  case metrics

  /// The envelope of a request on the wire, so that later versions can add keys.
  private struct Message: Codable {
    var request: ControlRequest
  }

  /// The request that a line spells; `nil` where it is none that this daemon knows.
  package init?(line: Data) {
    guard let message = try? JSONDecoder().decode(Message.self, from: line) else { return nil }
    self = message.request
  }

  /// The request as a line, without the line feed.
  package var line: Data {
    // An enum in a struct always encodes.
    try! JSONEncoder().encode(Message(request: self))
  }
}
