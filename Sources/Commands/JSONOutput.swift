import FoundationEssentials

/// JSON as every command prints it: snake-case keys, sorted, on lines of their own.
package func jsonText(_ value: some Encodable) throws -> String {
  let encoder = JSONEncoder()
  encoder.keyEncodingStrategy = .convertToSnakeCase
  encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
  return String(decoding: try encoder.encode(value), as: UTF8.self)
}

/// What a command that fails prints where JSON is asked for, in place of its result.
struct FailureDescription: Encodable {
  struct Content: Encodable {
    let message: String
    let exitCode: Int32
  }

  let error: Content

  init(_ failure: CommandFailure) {
    error = Content(message: failure.message, exitCode: failure.code.rawValue)
  }
}

/// Whether a command line asks for JSON, also where something else is wrong with it.
func asksForJSON(_ arguments: [String]) -> Bool {
  // Nothing behind `--` is an option. getopt takes the beginning of an option for the option.
  arguments.prefix { $0 != "--" }.contains { $0.count > 2 && "--json".hasPrefix($0) }
}
