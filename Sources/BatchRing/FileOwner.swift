import CSASSLRing

/// The user to whom a file belongs, and whether that is a reason to believe it.
package struct FileOwner: Sendable, Hashable, CustomStringConvertible {
  /// The user's number.
  package let number: UInt32

  /// The user with a number.
  package init(_ number: UInt32) { self.number = number }

  /// Whether it is root, this process's user, or the one that the service runs as.
  package var isTrusted: Bool { sassl_ring_user_is_trusted(number, -1) != 0 }

  /// Name and number, such as `'alice' (1001)`; the number alone where there is no name.
  package var description: String {
    var words = [UInt8](repeating: 0, count: 96)
    words.withUnsafeMutableBytes { sassl_ring_user_name(number, $0.bindMemory(to: CChar.self).baseAddress, $0.count) }
    return String(decoding: words.prefix { $0 != 0 }, as: UTF8.self)
  }
}
