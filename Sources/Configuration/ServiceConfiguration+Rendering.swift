import Settings

extension ServiceConfiguration {
  /// The configuration as a TOML text with every key, which reads as this configuration again.
  package var toml: String {
    var lines: [String] = []
    for section in Self.sections {
      lines += ["[\(section.name)]"]
      lines += section.settings.values(in: self).map { "\($0.key) = \($0.value.toml)" }
      lines.append("")
      guard let (key, tables) = tables(in: section) else { continue }
      for table in tables {
        lines.append("[[\(section.name).\(key)]]")
        lines += table.map { "\($0.key) = \($0.value.toml)" }
        lines.append("")
      }
    }
    return lines.joined(separator: "\n")
  }

  /// Every key by its full name, with its value as TOML writes it.
  private var values: [(key: String, value: String)] {
    var values: [(key: String, value: String)] = []
    for section in Self.sections {
      values += section.settings.values(in: self).map { ("\(section.name).\($0.key)", $0.value.toml) }
    }
    for section in Self.sections {
      guard let (key, tables) = tables(in: section) else { continue }
      for (index, table) in tables.enumerated() {
        values += table.map { ("\(section.name).\(key)[\(index)].\($0.key)", $0.value.toml) }
      }
    }
    return values
  }

  /// The tables of a section, if it may have some: their key, and the keys and values of each.
  private func tables(in section: Section) -> (key: String, tables: [[(key: String, value: SettingValue)]])? {
    switch section.name {
    case Self.viewTables.section: (Self.viewTables.key, views.tables.map { ViewTable.settings.values(in: $0) })
    case Self.sourceTables.section:
      (Self.sourceTables.key, dataset.tables.map { DatasetSource.tableSettings.values(in: $0) })
    default: nil
    }
  }

  /// The keys whose values differ from those of another configuration, in the order of the file; those that only the other
  /// one has come last.
  package func changedKeys(comparedTo other: ServiceConfiguration) -> [String] {
    let old = other.values
    let new = values
    let oldValues = Dictionary(uniqueKeysWithValues: old.map { ($0.key, $0.value) })
    let newKeys = Set(new.map(\.key))
    return new.filter { oldValues[$0.key] != $0.value }.map(\.key)
      + old.map(\.key).filter { !newKeys.contains($0) }
  }
}

extension ServiceConfiguration: Encodable {
  private struct Key: CodingKey {
    let stringValue: String
    let intValue: Int? = nil

    init(_ name: String) { stringValue = name }
    init?(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  /// Encodes the configuration with the sections and keys of the TOML file.
  package func encode(to encoder: any Encoder) throws {
    var root = encoder.container(keyedBy: Key.self)
    for section in Self.sections {
      var container = root.nestedContainer(keyedBy: Key.self, forKey: Key(section.name))
      for (key, value) in section.settings.values(in: self) { try container.encode(value, forKey: Key(key)) }
      guard let (key, tables) = tables(in: section), !tables.isEmpty else { continue }
      var list = container.nestedUnkeyedContainer(forKey: Key(key))
      for table in tables {
        var keys = list.nestedContainer(keyedBy: Key.self)
        for (key, value) in table { try keys.encode(value, forKey: Key(key)) }
      }
    }
  }
}
