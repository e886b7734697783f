import FoundationEssentials
import Glibc

/// The secret that whoever asks a server must know: a bearer token of RFC 6750.
package struct AccessToken: Sendable {
  /// How many characters a token has.
  static let lengths = 16...256

  /// The token, as it stands in `Authorization: Bearer` and in an address.
  package let text: String

  /// A token that nobody can guess: 128 random bits, as 32 hexadecimal digits.
  package init() {
    var generator = SystemRandomNumberGenerator()
    text = (0..<32).map { _ in String(Int.random(in: 0..<16, using: &generator), radix: 16) }.joined()
  }

  /// The token in a file of one line.
  ///
  /// - Throws: `HTTPServerError.unreadableToken` or `.notAToken`.
  package init(file: String) throws(HTTPServerError) {
    // Without a limit, a device would be read for ever.
    guard let handle = fopen(file, "re") else {
      throw .unreadableToken(file: file, reason: String(cString: strerror(errno)))
    }
    defer { fclose(handle) }
    var bytes = [UInt8](repeating: 0, count: Self.lengths.upperBound + 2)
    let count = fread(&bytes, 1, bytes.count, handle)
    guard ferror(handle) == 0 else { throw .unreadableToken(file: file, reason: String(cString: strerror(errno))) }
    var line = bytes.prefix(count)
    while [UInt8(ascii: "\n"), UInt8(ascii: "\r")].contains(line.last) { line.removeLast() }
    guard Self.lengths.contains(line.count), line.allSatisfy(Self.isAllowed) else { throw .notAToken(file: file) }
    text = String(decoding: line, as: UTF8.self)
  }

  /// RFC 6750's `b64token`, which a cookie can hold too.
  private static func isAllowed(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: "-._~+/=".utf8.contains(byte)
    }
  }

  /// Whether `given` is the token. How long that takes says nothing about where they differ.
  func matches(_ given: String) -> Bool {
    let own = Array(text.utf8)
    let other = Array(given.utf8)
    guard own.count == other.count else { return false }
    return zip(own, other).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
  }
}
