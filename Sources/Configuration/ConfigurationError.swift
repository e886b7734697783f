/// Everything that is wrong with a configuration file, at once.
package struct ConfigurationError: Error, Equatable, Sendable {
  /// One thing that is wrong.
  package struct Problem: Equatable, Sendable {
    /// Where in the file, from 1; nil where the trouble is with what the file does not say.
    package var line: Int?
    /// The key in question, for example `batch.size`; nil where it is the file itself.
    package var key: String?
    /// What is wrong, and what would be accepted.
    package var message: String

    /// A problem at a place.
    package init(line: Int?, key: String?, message: String) {
      self.line = line
      self.key = key
      self.message = message
    }
  }

  /// The configuration file.
  package let file: String
  /// What is wrong with it, from top to bottom; at least one.
  package let problems: [Problem]
  /// Whether the machine is at fault and not the file, so that trying again is right.
  package let isTransient: Bool

  package init(file: String, problems: [Problem], isTransient: Bool = false) {
    self.file = file
    self.isTransient = isTransient
    self.problems = problems.sorted { ($0.line ?? .max, $0.key ?? "") < ($1.line ?? .max, $1.key ?? "") }
  }
}

extension ConfigurationError: CustomStringConvertible {
  /// One line for each problem, in the form that editors can jump to: `file:line: key: message`.
  package var description: String {
    problems.map { problem in
      let place = problem.line.map { "\(file):\($0)" } ?? file
      return "\(place): \(problem.key.map { $0 + ": " } ?? "")\(problem.message)"
    }.joined(separator: "\n")
  }
}
