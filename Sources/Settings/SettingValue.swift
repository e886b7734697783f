/// The value of one configuration key, as it is written in TOML and in JSON.
package enum SettingValue: Equatable, Sendable {
  case string(String)
  case integer(Int64)
  case number(Double)
  case boolean(Bool)
  case list([SettingValue])

  /// The value as a number, also where it is written without a decimal point.
  package var asNumber: Double? {
    switch self {
    case .number(let number): number
    case .integer(let integer): Double(integer)
    default: nil
    }
  }

  /// The value as TOML writes it.
  package var toml: String {
    switch self {
    case .string(let string): return "\"" + string.unicodeScalars.map(Self.escaped).joined() + "\""
    case .integer(let integer): return String(integer)
    case .number(let number): return number.isInfinite ? (number < 0 ? "-inf" : "inf") : String(describing: number)
    case .boolean(let boolean): return String(boolean)
    case .list(let values): return "[" + values.map(\.toml).joined(separator: ", ") + "]"
    }
  }

  private static func escaped(_ scalar: Unicode.Scalar) -> String {
    switch scalar {
    case "\"": return "\\\""
    case "\\": return "\\\\"
    case _ where scalar.value < 0x20 || scalar.value == 0x7F:
      let digits = String(scalar.value, radix: 16, uppercase: true)
      return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    default: return String(scalar)
    }
  }
}

extension SettingValue: Encodable {
  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .string(let string): try container.encode(string)
    case .integer(let integer): try container.encode(integer)
    case .number(let number): try container.encode(number)
    case .boolean(let boolean): try container.encode(boolean)
    case .list(let values): try container.encode(values)
    }
  }
}
