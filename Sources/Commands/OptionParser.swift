import Basics
@preconcurrency import CGetopt
import FoundationEssentials
import Glibc

/// One long option of a command, with an optional one-letter form.
package struct CommandOption: Sendable {
  /// The long name without the dashes.
  package let name: String
  /// The one-letter form, if it has one.
  package let letter: Character?
  /// What stands for the value in the help text; `nil` for a flag that takes none.
  package let valueName: String?
  /// What the option does, for the help text.
  package let summary: String

  /// An option; without `valueName` it is a flag.
  package init(_ name: String, letter: Character? = nil, value valueName: String? = nil, _ summary: String) {
    self.name = name
    self.letter = letter
    self.valueName = valueName
    self.summary = summary
  }
}

/// What the command line held, as `getopt_long(3)` sorted it.
package struct ParsedArguments: Sendable {
  /// The values of each option that was given, in order; flags have the empty string.
  package private(set) var options: [String: [String]]
  /// The arguments that are no options, in order.
  package private(set) var operands: [String]

  /// Sorts `arguments` (without the command's own name) into options and operands.
  ///
  /// - Throws: `CommandFailure` with code `usage` for an unknown option, a missing or an unwanted value.
  package init(_ arguments: [String], of command: String, accepting accepted: [CommandOption]) throws(CommandFailure) {
    options = [:]
    operands = []
    var pointers: [UnsafeMutablePointer<CChar>?] = ([command] + arguments).map { strdup($0) }
    let names = accepted.map { strdup($0.name) }
    defer {
      for pointer in pointers + names { free(pointer) }
    }
    pointers.append(nil)
    var table = zip(accepted.indices, names).map { index, name in
      let takesValue: Int32 = accepted[index].valueName == nil ? 0 : 1
      return option(name: UnsafePointer(name), has_arg: takesValue, flag: nil, val: Int32(1000 + index))
    }
    table.append(option())
    // The leading colon makes getopt tell a missing value from an unknown option, and keeps it from printing.
    let letters =
      ":" + accepted.compactMap { entry in entry.letter.map { "\($0)\(entry.valueName == nil ? "" : ":")" } }.joined()
    optind = 0
    while true {
      let code = getopt_long(Int32(pointers.count - 1), &pointers, letters, table, nil)
      if code == -1 { break }
      let offending = String(cString: pointers[Int(optind) - 1]!)
      if code == Int32(UInt8(ascii: "?")) {
        throw CommandFailure(.usage, "\(command): unknown option or unwanted value '\(offending)'; see --help")
      }
      if code == Int32(UInt8(ascii: ":")) {
        throw CommandFailure(.usage, "\(command): option '\(offending)' needs a value; see --help")
      }
      let entry =
        code >= 1000
        ? accepted[Int(code) - 1000] : accepted.first { $0.letter?.asciiValue.map(Int32.init) == code }!
      options[entry.name, default: []].append(entry.valueName == nil ? "" : String(cString: optarg))
    }
    operands = pointers[Int(optind)..<(pointers.count - 1)].map { String(cString: $0!) }
  }

  /// Sorts the arguments of a command, or where `--help` is among them, prints its help text and is `nil`.
  ///
  /// - Parameters:
  ///   - usage: the command line in short.
  ///   - about: what the command does.
  ///   - options: what it accepts besides `--help`.
  ///   - closing: what stands below the options.
  /// - Throws: `CommandFailure` as `init(_:of:accepting:)`.
  package init?(
    _ arguments: [String], of command: String, usage: String, about: String, options: [CommandOption],
    closing: String = ""
  ) throws(CommandFailure) {
    let options = options + [CommandOption("help", letter: "h", "this text")]
    try self.init(arguments, of: command, accepting: options)
    if has("help") {
      print(helpText(usage: usage, about: about, options: options, closing: closing), terminator: "")
      return nil
    }
  }

  /// Whether the flag or option was given.
  package func has(_ name: String) -> Bool { options[name] != nil }

  /// The text given for an option, the last where there are several; `nil` where there is none.
  package subscript(_ name: String) -> String? { options[name]?.last }

  /// All texts given for an option that may stand several times, in order. The command cannot do without one.
  ///
  /// - Throws: `CommandFailure` with code `usage` where there is none.
  package func all(_ name: String, for command: String) throws(CommandFailure) -> [String] {
    guard let texts = options[name] else { throw missing(name, for: command) }
    return texts
  }

  /// The value of an option as a number within a range, or `nil` where the option was not given.
  ///
  /// - Throws: `CommandFailure` with code `usage` where the text is no such number.
  package func number<Value: Comparable & LosslessStringConvertible>(
    _ name: String, in range: ClosedRange<Value>
  ) throws(CommandFailure) -> Value? {
    guard let text = self[name] else { return nil }
    return try number(name, in: range, text: text)
  }

  /// The value of an option as numbers within a range with commas between them, or `nil` where the option was not given.
  ///
  /// - Throws: `CommandFailure` with code `usage` where the text is no such list.
  package func numbers<Value: Comparable & LosslessStringConvertible>(
    _ name: String, in range: ClosedRange<Value>
  ) throws(CommandFailure) -> [Value]? {
    guard let text = self[name] else { return nil }
    var values: [Value] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      values.append(try number(name, in: range, text: String(part)))
    }
    return values
  }

  private func number<Value: Comparable & LosslessStringConvertible>(
    _ name: String, in range: ClosedRange<Value>, text: String
  ) throws(CommandFailure) -> Value {
    guard let value = Value(text), range.contains(value) else {
      throw CommandFailure(
        .usage, "--\(name) is '\(text)', but takes a number from \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }

  /// Checks that there is nothing but options.
  ///
  /// - Throws: `CommandFailure` with code `usage` that names the first operand.
  package func requireNoOperands(of command: String) throws(CommandFailure) {
    if let first = operands.first {
      throw CommandFailure(.usage, "\(command) takes no '\(first)'; see '\(command) --help'")
    }
  }

  /// The value of an option that the command cannot do without.
  ///
  /// - Throws: `CommandFailure` with code `usage` where it is missing.
  package func required(_ name: String, for command: String) throws(CommandFailure) -> String {
    guard let text = self[name] else { throw missing(name, for: command) }
    return text
  }

  private func missing(_ name: String, for command: String) -> CommandFailure {
    CommandFailure(.usage, "\(command) needs --\(name); see '\(command) --help'")
  }
}

/// The help text of one command, laid out from its options so that the two cannot disagree.
package func helpText(usage: String, about: String, options: [CommandOption], closing: String = "") -> String {
  let rows = options.map { entry -> (String, String) in
    let short = entry.letter.map { "-\($0), " } ?? "    "
    let value = entry.valueName.map { " \($0)" } ?? ""
    return ("  \(short)--\(entry.name)\(value)", entry.summary)
  }
  let width = (rows.map(\.0.count).max() ?? 0) + 2
  let lines = rows.map { left, right in
    let indent = String(repeating: " ", count: width)
    let text = right.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\n" + indent)
    return left.padded(to: width) + text
  }
  var text = "usage: \(usage)\n\n\(about)\n"
  if !lines.isEmpty { text += "\noptions:\n" + lines.joined(separator: "\n") + "\n" }
  if !closing.isEmpty { text += "\n" + closing + "\n" }
  return text
}
