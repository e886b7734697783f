/// A value as SQLite stores it.
package enum DatabaseValue: Equatable, Sendable {
  case null
  case integer(Int64)
  case real(Double)
  case text(String)
  case blob([UInt8])

  /// An integer, or null.
  static func optional(_ value: Int64?) -> DatabaseValue {
    value.map { .integer($0) } ?? .null
  }

  /// A truth value, stored as 0 or 1.
  static func flag(_ value: Bool) -> DatabaseValue {
    .integer(value ? 1 : 0)
  }

  /// All 64 bits of an unsigned number, stored as the signed number that has the same bits.
  static func bits(_ value: UInt64) -> DatabaseValue {
    .integer(Int64(bitPattern: value))
  }
}
