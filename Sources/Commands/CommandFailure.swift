/// An error that ends a command: one sentence for the person, and the exit code for the script.
package struct CommandFailure: Error, CustomStringConvertible, Sendable {
  /// How the process ends.
  package let code: ExitCode
  /// What was wrong, where, and what to do about it.
  package let message: String

  /// A failure with its exit code and its sentence.
  package init(_ code: ExitCode, _ message: String) {
    self.code = code
    self.message = message
  }

  package var description: String { message }
}
