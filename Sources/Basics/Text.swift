import Glibc

extension String {
  /// The text that `printf(3)` makes of a format and its arguments, which must be those that the format names.
  package init(printf format: String, _ arguments: any CVarArg...) {
    let length = withVaList(arguments) { vsnprintf(nil, 0, format, $0) }
    let bytes = [UInt8](unsafeUninitializedCapacity: Int(length) + 1) { buffer, count in
      _ = withVaList(arguments) { vsnprintf(buffer.baseAddress, buffer.count, format, $0) }
      count = Int(length)
    }
    self.init(decoding: bytes, as: UTF8.self)
  }

  /// The text with spaces up to `width` characters; longer texts are left as they are.
  package func padded(to width: Int) -> String {
    self + String(repeating: " ", count: max(0, width - count))
  }
}
