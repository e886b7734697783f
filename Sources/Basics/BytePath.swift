/// A file path as the kernel sees it: any bytes but NUL, in no particular encoding.
///
/// File names with newlines or invalid UTF-8 survive unchanged; only `description` makes them fit for a line of text.
package struct BytePath: Hashable, Sendable {
  /// The bytes, without a terminating NUL.
  package let bytes: [UInt8]

  /// A path of the given bytes, none of which is NUL.
  package init(_ bytes: some Sequence<UInt8>) {
    self.bytes = Array(bytes)
    precondition(!self.bytes.contains(0), "a path cannot contain a NUL byte")
  }

  /// The path that a string spells in UTF-8; a NUL and what follows it are left out, as the kernel would.
  package init(_ string: String) {
    self.init(string.utf8.prefix { $0 != 0 })
  }

  /// The path of `child` inside this directory, or `child` itself where it is absolute.
  package func appending(_ child: BytePath) -> BytePath {
    if child.bytes.first == UInt8(ascii: "/") || bytes.isEmpty { return child }
    if child.bytes.isEmpty { return self }
    let separator = bytes.last == UInt8(ascii: "/") ? [] : [UInt8(ascii: "/")]
    return BytePath(bytes + separator + child.bytes)
  }

  /// The directory that holds this path's last component.
  package var directory: BytePath {
    guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return "." }
    return slash == 0 ? "/" : BytePath(bytes[..<slash])
  }

  /// Calls `body` with the path as a NUL-terminated string.
  package func withCString<Result>(_ body: (UnsafePointer<CChar>) -> Result) -> Result {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: bytes.count + 1) { buffer in
      for (index, byte) in bytes.enumerated() {
        buffer[index] = CChar(bitPattern: byte)
      }
      buffer[bytes.count] = 0
      return body(buffer.baseAddress!)
    }
  }
}

extension BytePath: ExpressibleByStringLiteral {
  /// The path that a string literal spells in UTF-8.
  package init(stringLiteral value: String) {
    self.init(value)
  }
}

extension BytePath: CustomStringConvertible {
  /// The path on one line: valid UTF-8 as it is, control characters, backslashes and other bytes as `\n`, `\\`, `\xFF`.
  package var description: String {
    var text = ""
    var rest = bytes[...]
    while !rest.isEmpty {
      // The scalar that starts here, if one does: at most four bytes, and valid only if they decode without repair.
      var scalar: Unicode.Scalar?
      var length = 1
      for candidate in 1...4 where candidate <= rest.count {
        if let decoded = String(validating: rest.prefix(candidate), as: UTF8.self) {
          scalar = decoded.unicodeScalars.first
          length = candidate
          break
        }
      }
      switch scalar {
      case "\n": text += "\\n"
      case "\t": text += "\\t"
      case "\\": text += "\\\\"
      case let scalar? where !scalar.properties.generalCategory.isControl: text.unicodeScalars.append(scalar)
      default:
        for byte in rest.prefix(length) {
          text += "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
        }
      }
      rest = rest.dropFirst(length)
    }
    return text
  }
}

extension Unicode.GeneralCategory {
  /// Whether a terminal might act on such a character instead of showing it.
  fileprivate var isControl: Bool {
    switch self {
    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned, .privateUse: true
    default: false
    }
  }
}
