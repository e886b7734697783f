/// A 64-bit mark of some content: equal content has the same fingerprint on every machine and in every version.
///
/// It tells accidental changes apart, as when a run is resumed on another data set; it is no defence against forgery.
package struct Fingerprint: Hashable, Sendable {
  /// The number itself, as it is stored in the ring's header.
  package let rawValue: UInt64

  /// The fingerprint with this number.
  package init(rawValue: UInt64) {
    self.rawValue = rawValue
  }

  /// The fingerprint of all that `body` adds to the digest, in that order.
  package init(_ body: (inout Digest) -> Void) {
    var digest = Digest()
    body(&digest)
    rawValue = digest.state
  }

  /// FNV-1a with 64 bits (G. Fowler, L. C. Noll, K.-P. Vo).
  package struct Digest {
    fileprivate var state: UInt64 = 0xCBF2_9CE4_8422_2325

    /// Adds bytes; their number is not added.
    package mutating func append(bytes: some Sequence<UInt8>) {
      for byte in bytes {
        state = (state ^ UInt64(byte)) &* 0x0000_0100_0000_01B3
      }
    }

    /// Adds a number, as eight bytes with the lowest first.
    package mutating func append(_ number: Int64) {
      for shift in stride(from: 0, to: 64, by: 8) {
        state = (state ^ UInt64(truncatingIfNeeded: number >> Int64(shift)) & 0xFF) &* 0x0000_0100_0000_01B3
      }
    }

    /// Adds a text, its length first, so that neighbouring texts cannot run into each other.
    package mutating func append(_ text: String) {
      append(Int64(text.utf8.count))
      append(bytes: text.utf8)
    }
  }
}

extension Fingerprint: CustomStringConvertible {
  /// Sixteen hexadecimal digits.
  package var description: String {
    let digits = String(rawValue, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
