import Basics

/// What was drawn for one view of one sample, as text and JSON have it.
package enum DrawnValue: Encodable, Sendable, CustomStringConvertible {
  case flag(Bool)
  case integer(Int64)
  case real(Float)
  case list([DrawnValue])

  /// The entry of the sample at `position` of a column of the index.
  package init(_ column: DrawnNumbers, at position: Int) {
    let count = column.length ?? 1
    let numbers = (0..<count).map { Self.number($0 + position * count, of: column) }
    self = column.length == nil ? numbers[0] : .list(numbers)
  }

  /// The number at `index` of all that a column holds.
  private static func number(_ index: Int, of column: DrawnNumbers) -> DrawnValue {
    func stored<Raw: BitwiseCopyable>(as type: Raw.Type) -> Raw {
      column.bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: index * MemoryLayout<Raw>.size, as: type) }
    }
    return switch column.type {
    case "bool": .flag(stored(as: UInt8.self) != 0)
    case "int32": .integer(Int64(Int32(littleEndian: stored(as: Int32.self))))
    case "int64": .integer(Int64(littleEndian: stored(as: Int64.self)))
    default: .real(Float(bitPattern: UInt32(littleEndian: stored(as: UInt32.self))))
    }
  }

  /// For each view, everything that was drawn for the sample at `position`, by name.
  package static func views(of columns: [DrawnNumbers], at position: Int) -> [[String: DrawnValue]] {
    Dictionary(grouping: columns, by: \.view).sorted { $0.key < $1.key }.map { view, columns in
      Dictionary(
        uniqueKeysWithValues: [("view", .integer(Int64(view)))]
          + columns.map { ($0.name, DrawnValue($0, at: position)) })
    }
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .flag(let flag): try container.encode(flag)
    case .integer(let integer): try container.encode(integer)
    case .real(let real): try container.encode(real)
    case .list(let values): try container.encode(values)
    }
  }

  package var description: String {
    switch self {
    case .flag(let flag): flag ? "yes" : "no"
    case .integer(let integer): "\(integer)"
    case .real(let real): String(printf: "%.3f", Double(real))
    case .list(let values): values.map(\.description).joined(separator: " ")
    }
  }
}
