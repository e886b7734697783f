import CSASSLRing

/// What went wrong with a ring: what, where, and what to do about it.
package struct RingError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The kinds of failure. An open type, so that a library newer than this wrapper can report more.
  package struct Kind: RawRepresentable, Sendable, Hashable {
    /// The C library's result code, negative.
    package let rawValue: Int32

    /// Wraps a result code of the C library.
    package init(rawValue: Int32) { self.rawValue = rawValue }

    private init(_ result: sassl_ring_result) { self.init(rawValue: result.rawValue) }

    /// A name, size or shape that is not allowed.
    package static let argument = Kind(SASSL_RING_ERROR_ARGUMENT)
    /// A system call failed; see `systemErrorNumber`.
    package static let system = Kind(SASSL_RING_ERROR_SYSTEM)
    /// The file system is too full; see `neededBytes` and `availableBytes`.
    package static let space = Kind(SASSL_RING_ERROR_SPACE)
    /// Another process has that side of the ring; see `holderProcess`.
    package static let busy = Kind(SASSL_RING_ERROR_BUSY)
    /// There is no live producer, no such ring, or no such batch in it.
    package static let absent = Kind(SASSL_RING_ERROR_ABSENT)
    /// The ring has another format version.
    package static let version = Kind(SASSL_RING_ERROR_VERSION)
    /// The memory says something impossible.
    package static let corrupt = Kind(SASSL_RING_ERROR_CORRUPT)
    /// A new instance of the ring holds another stream.
    package static let changed = Kind(SASSL_RING_ERROR_CHANGED)
    /// A batch does not match its checksum.
    package static let checksum = Kind(SASSL_RING_ERROR_CHECKSUM)
    /// The handle belongs to the parent process.
    package static let forked = Kind(SASSL_RING_ERROR_FORKED)
    /// The file belongs to a user who is not trusted, or everybody may write to it.
    package static let owner = Kind(SASSL_RING_ERROR_OWNER)
    /// Called out of order: published twice, released twice.
    package static let state = Kind(SASSL_RING_ERROR_STATE)
    /// A hook made the call behave as if the process had died in it. Only tests see this.
    package static let abandoned = Kind(SASSL_RING_ABANDONED)
  }

  /// The kind of failure.
  package let kind: Kind
  /// A sentence for people.
  package let description: String
  /// `errno` of the system call that failed, or 0.
  package let systemErrorNumber: Int32
  /// Process that holds what was asked for, or 0 where unknown.
  package let holderProcess: Int
  /// Bytes asked for, with `Kind.space`.
  package let neededBytes: UInt64
  /// Bytes that there were, with `Kind.space`.
  package let availableBytes: UInt64

  init(result: Int32, error: sassl_ring_error) {
    kind = Kind(rawValue: result)
    systemErrorNumber = error.system_errno
    holderProcess = Int(error.holder_pid)
    neededBytes = error.needed
    availableBytes = error.available
    let message = withUnsafeBytes(of: error.message) { bytes in
      String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
    description = message.isEmpty ? "the ring was abandoned by a test's hook" : message
  }
}

/// Calls into C and turns a failure into a `RingError`; hands the non-negative results through.
func checked(_ call: (UnsafeMutablePointer<sassl_ring_error>) -> Int32) throws(RingError) -> Int32 {
  var error = sassl_ring_error()
  let result = call(&error)
  if result < 0 || result == SASSL_RING_ABANDONED.rawValue { throw RingError(result: result, error: error) }
  return result
}

/// Nanoseconds of a duration as the C library wants them; negative becomes 0, and more than 500 years means forever.
func nanoseconds(_ duration: Duration) -> UInt64 {
  let (seconds, attoseconds) = duration.components
  if seconds < 0 || attoseconds < 0 { return 0 }
  if seconds > 15_000_000_000 { return UInt64.max }
  return UInt64(seconds) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000)
}
