extension UnsafeRawBufferPointer {
  /// The unsigned integer of `count` bytes (1...8) at `offset`, nil where it does not lie within the bytes.
  func integer(at offset: Int, bytes count: Int, isLittleEndian: Bool = true) -> UInt64? {
    guard offset >= 0, offset <= self.count - count else { return nil }
    return (0..<count).reduce(0) { value, index in
      value << 8 | UInt64(self[offset + (isLittleEndian ? count - 1 - index : index)])
    }
  }

  /// The part of the bytes from `offset` on, at most `count` of them, as a buffer of its own; empty behind the end.
  func part(from offset: Int, count: Int) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: dropFirst(offset).prefix(count))
  }
}

/// The text of an array of characters in a C structure, which Swift sees as a tuple, up to the first zero.
func text<Characters: BitwiseCopyable>(ofCharacters characters: Characters) -> String {
  withUnsafeBytes(of: characters) { bytes in String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) }
}
