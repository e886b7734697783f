import CTOML

/// A value of a TOML document, and where it is.
struct TOMLNode: Sendable {
  /// What a node holds.
  enum Content: Sendable {
    /// Entries in no particular order.
    case table([(key: String, node: TOMLNode)])
    case array([TOMLNode])
    case string(String)
    case integer(Int64)
    case number(Double)
    case boolean(Bool)
    case dateTime
  }

  /// The line of the node's key, or of the value where it has none, from 1.
  let line: Int
  let content: Content

  /// Why a document is not TOML.
  struct SyntaxError: Error {
    /// From 1; nil where it is not known.
    let line: Int?
    let reason: String
  }

  /// The root table of a document.
  static func parse(_ text: [UInt8]) throws(SyntaxError) -> TOMLNode {
    let document = text.withUnsafeBytes { buffer in
      sassl_toml_parse(buffer.baseAddress?.assumingMemoryBound(to: CChar.self), buffer.count)
    }
    guard let document else { throw SyntaxError(line: nil, reason: "out of memory") }
    defer { sassl_toml_free(document) }
    var line: UInt32 = 0
    var column: UInt32 = 0
    if let reason = sassl_toml_error(document, &line, &column) {
      throw SyntaxError(line: line == 0 ? nil : Int(line), reason: String(cString: reason))
    }
    var count = 0
    var rest = UnsafeBufferPointer(start: sassl_toml_nodes(document, &count), count: count)[...]
    return node(from: &rest).node
  }

  /// The first node of the list with all its descendants, which are taken off the list.
  private static func node(
    from rest: inout Slice<UnsafeBufferPointer<sassl_toml_node>>
  ) -> (key: String, node: TOMLNode) {
    let flat = rest.removeFirst()
    let content: Content
    switch flat.kind {
    case SASSL_TOML_TABLE: content = .table((0..<flat.child_count).map { _ in node(from: &rest) })
    case SASSL_TOML_ARRAY: content = .array((0..<flat.child_count).map { _ in node(from: &rest).node })
    case SASSL_TOML_STRING: content = .string(string(flat.string, flat.string_bytes))
    case SASSL_TOML_INTEGER: content = .integer(flat.integer)
    case SASSL_TOML_FLOAT: content = .number(flat.number)
    case SASSL_TOML_BOOLEAN: content = .boolean(flat.integer != 0)
    default: content = .dateTime
    }
    return (string(flat.key, flat.key_bytes), TOMLNode(line: Int(flat.line), content: content))
  }

  private static func string(_ start: UnsafePointer<CChar>?, _ count: Int) -> String {
    String(decoding: UnsafeRawBufferPointer(start: start, count: count), as: UTF8.self)
  }
}
