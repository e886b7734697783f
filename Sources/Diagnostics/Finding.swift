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
  /// How large the file system of the rings must be, in bytes, where it is too small; `nil` where its size is not at fault.
  package private(set) var fileSystemBytes: UInt64?

  private enum CodingKeys: String, CodingKey {
    case subject, verdict, found, remedy
    case fileSystemBytes = "file_system_bytes"
  }

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

  /// The same finding, with the size that the rings' file system must have.
  package func needing(fileSystemBytes: UInt64) -> Finding {
    var finding = self
    finding.fileSystemBytes = fileSystemBytes
    return finding
  }
}
