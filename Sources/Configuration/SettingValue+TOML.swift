import Settings

extension SettingValue {
  /// The value of a node, or nil for tables and dates, which no key takes.
  init?(_ node: TOMLNode) {
    switch node.content {
    case .string(let string): self = .string(string)
    case .integer(let integer): self = .integer(integer)
    case .number(let number): self = .number(number)
    case .boolean(let boolean): self = .boolean(boolean)
    case .array(let nodes):
      let values = nodes.compactMap { SettingValue($0) }
      guard values.count == nodes.count else { return nil }
      self = .list(values)
    case .table, .dateTime: return nil
    }
  }
}
