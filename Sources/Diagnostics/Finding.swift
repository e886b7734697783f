/// One thing that `sasslctl doctor` looked at: how it is, and what to do about it.
package struct Finding: Encodable, Sendable, Equatable {
  /// How bad it is.
  package enum Verdict: String, Encodable, Sendable {
    /// As it should be.
    case ok
    /// The service works, but not as well as it could, or not in every situation.
    case warning
    /// The service cannot start, or will fail.
    case problem
  }

  /// What was looked at, in a word or two.
  package let subject: String
  /// How bad it is.
  package let verdict: Verdict
  /// What was found.
  package let found: String
  /// What to do; `nil` where nothing is to be done.
  package let remedy: String?

  /// All is well with `subject`.
  package static func ok(_ subject: String, _ found: String) -> Finding {
    Finding(subject: subject, verdict: .ok, found: found, remedy: nil)
  }

  /// Something could be better.
  package static func warning(_ subject: String, _ found: String, remedy: String) -> Finding {
    Finding(subject: subject, verdict: .warning, found: found, remedy: remedy)
  }

  /// Something keeps the service from working.
  package static func problem(_ subject: String, _ found: String, remedy: String) -> Finding {
    Finding(subject: subject, verdict: .problem, found: found, remedy: remedy)
  }
}
