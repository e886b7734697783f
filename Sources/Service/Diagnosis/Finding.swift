/// One thing that `sasslctl doctor` looked at: how it is, and what to do about it.
public struct Finding: Encodable, Sendable, Equatable {
  /// How bad it is.
  public enum Verdict: String, Encodable, Sendable {
    /// As it should be.
    case ok
    /// The service works, but not as well as it could, or not in every situation.
    case warning
    /// The service cannot start, or will fail.
    case problem
  }

  /// What was looked at, in a word or two.
  public let subject: String
  /// How bad it is.
  public let verdict: Verdict
  /// What was found.
  public let found: String
  /// What to do; `nil` where nothing is to be done.
  public let remedy: String?

  /// All is well with `subject`.
  public static func ok(_ subject: String, _ found: String) -> Finding {
    Finding(subject: subject, verdict: .ok, found: found, remedy: nil)
  }

  /// Something could be better.
  public static func warning(_ subject: String, _ found: String, remedy: String) -> Finding {
    Finding(subject: subject, verdict: .warning, found: found, remedy: remedy)
  }

  /// Something keeps the service from working.
  public static func problem(_ subject: String, _ found: String, remedy: String) -> Finding {
    Finding(subject: subject, verdict: .problem, found: found, remedy: remedy)
  }
}
