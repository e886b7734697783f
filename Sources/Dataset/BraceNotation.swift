import Basics

/// The notation in which WebDataset names many shards at once: `train-{000000..000146}.tar`, `{train,val}-0.tar`.
package enum BraceNotation {
  /// Why a text cannot be expanded.
  package enum Fault: Error, Equatable, Sendable {
    /// A brace is opened and not closed, or closed and not opened.
    case unbalanced
    /// Between braces stands neither a range of numbers nor a list.
    case neither(String)
    /// It names more than `maximum` shards.
    case tooMany
  }

  /// More shards than any data set has.
  static let maximum = 1_000_000

  /// Whether a text has braces to expand.
  static func isUsed(in text: BytePath) -> Bool { text.bytes.contains(opening) }

  /// What a text names, in the order in which a shell would write it.
  ///
  /// `{first..last}` counts up, or down where the first number is the larger one; where one of the two begins with a zero, all are
  /// filled up with zeros to the length of the longer one. `{a,b}` is a or b.
  package static func expanded(_ text: BytePath) throws(Fault) -> [BytePath] {
    try expanded(text.bytes[...]).map { BytePath($0) }
  }

  private static let opening = UInt8(ascii: "{")
  private static let closing = UInt8(ascii: "}")

  private static func expanded(_ text: ArraySlice<UInt8>) throws(Fault) -> [[UInt8]] {
    guard let start = text.firstIndex(of: opening) else {
      guard !text.contains(closing) else { throw .unbalanced }
      return [Array(text)]
    }
    guard !text[..<start].contains(closing), let end = try matchingBrace(of: start, in: text) else {
      throw .unbalanced
    }
    let choices = try choices(text[(start + 1)..<end])
    let rests = try expanded(text[(end + 1)...])
    guard choices.count <= maximum / max(1, rests.count) else { throw .tooMany }
    return choices.flatMap { choice in rests.map { text[..<start] + choice + $0 } }
  }

  private static func matchingBrace(of start: Int, in text: ArraySlice<UInt8>) throws(Fault) -> Int? {
    var depth = 0
    for index in start..<text.endIndex {
      if text[index] == opening { depth += 1 }
      if text[index] == closing { depth -= 1 }
      if depth == 0 { return index }
    }
    return nil
  }

  /// What stands between two braces, without them.
  private static func choices(_ content: ArraySlice<UInt8>) throws(Fault) -> [[UInt8]] {
    var parts: [ArraySlice<UInt8>] = []
    var depth = 0
    var start = content.startIndex
    for index in content.indices {
      switch content[index] {
      case opening: depth += 1
      case closing: depth -= 1
      case UInt8(ascii: ",") where depth == 0:
        parts.append(content[start..<index])
        start = index + 1
      default: break
      }
    }
    parts.append(content[start...])
    if parts.count > 1 {
      var all: [[UInt8]] = []
      for part in parts { all += try expanded(part) }
      return all
    }
    return try range(String(decoding: content, as: UTF8.self))
  }

  private static func range(_ text: String) throws(Fault) -> [[UInt8]] {
    let bounds = text.split(separator: ".", omittingEmptySubsequences: false)
    guard bounds.count == 3, bounds[1].isEmpty, let first = UInt32(bounds[0]), let last = UInt32(bounds[2]) else {
      throw .neither(text)
    }
    guard max(first, last) - min(first, last) < maximum else { throw .tooMany }
    let isFilled = [bounds[0], bounds[2]].contains { $0.count > 1 && $0.first == "0" }
    let width = isFilled ? max(bounds[0].count, bounds[2].count) : 0
    let numbers = (min(first, last)...max(first, last)).map { number in
      let digits = String(number)
      return Array((String(repeating: "0", count: max(0, width - digits.count)) + digits).utf8)
    }
    return first <= last ? numbers : numbers.reversed()
  }
}

extension BraceNotation.Fault: CustomStringConvertible {
  package var description: String {
    switch self {
    case .unbalanced: "its braces do not match"
    case .neither(let text): "'{\(text)}' is neither a range of numbers nor a list"
    case .tooMany: "it stands for more than a million"
    }
  }
}
