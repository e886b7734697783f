import Basics
import Dataset
import FoundationEssentials
import Glibc
import Settings

extension ServiceConfiguration {
  /// The configuration in the file at `path`; keys that the file leaves out have their defaults.
  ///
  /// Relative paths in it become absolute, starting at the file's directory.
  ///
  /// - Throws: `ConfigurationError` with everything that is wrong with the file.
  package static func load(path: String) throws(ConfigurationError) -> ServiceConfiguration {
    let content: [UInt8]
    do {
      content = try FileBytes.read(BytePath(path), limit: maximumFileBytes)
    } catch .empty {
      content = []
    } catch {
      throw ConfigurationError(
        file: path, problems: [.init(line: nil, key: nil, message: error.description)], isTransient: error.isTransient)
    }
    var configuration = try parse(content, file: path)
    let directory = URL(filePath: path).absoluteURL.deletingLastPathComponent()
    func absolute(_ path: String) -> String {
      if path.isEmpty || path.hasPrefix("/") { return path }
      return directory.appending(path: path).standardizedFileURL.path(percentEncoded: false)
    }
    for key in pathKeys { configuration[keyPath: key] = absolute(configuration[keyPath: key]) }
    for index in configuration.dataset.tables.indices {
      for key in [\DatasetSource.path, \.manifest] {
        configuration.dataset.tables[index][keyPath: key] = absolute(
          configuration.dataset.tables[index][keyPath: key])
      }
    }
    return configuration
  }

  /// Far more than any configuration; what is larger is some other file.
  private static let maximumFileBytes = 1 << 20

  /// The configuration that a TOML text spells.
  ///
  /// - Parameter file: what error messages call the text.
  /// - Throws: `ConfigurationError` with everything that is wrong with it.
  package static func parse(_ text: [UInt8], file: String) throws(ConfigurationError) -> ServiceConfiguration {
    let root: TOMLNode
    do {
      root = try TOMLNode.parse(text)
    } catch {
      throw ConfigurationError(
        file: file, problems: [.init(line: error.line, key: nil, message: "is not TOML: \(error.reason)")])
    }
    var reader = ConfigurationReader()
    reader.read(root)
    guard reader.problems.isEmpty else { throw ConfigurationError(file: file, problems: reader.problems) }
    return reader.configuration
  }
}

/// Takes a document apart and collects what is wrong with it.
private struct ConfigurationReader {
  var configuration = ServiceConfiguration()
  var problems: [ConfigurationError.Problem] = []
  /// Where keys are, by their full names.
  private var lines: [String: Int] = [:]

  mutating func read(_ root: TOMLNode) {
    guard case .table(let entries) = root.content else { return }
    for (name, node) in entries {
      if let section = ServiceConfiguration.sections.first(where: { $0.name == name }) {
        read(section, node)
      } else {
        report(node.line, name, unknown(name, in: ""))
      }
    }
    // Values that are wrong one by one cannot be expected to go together.
    if problems.isEmpty { checkTogether() }
  }

  private mutating func read(_ section: ServiceConfiguration.Section, _ node: TOMLNode) {
    guard case .table(let entries) = node.content else {
      report(node.line, section.name, "must be a section, written as [\(section.name)]")
      return
    }
    for (name, node) in entries {
      if (section.name, name) == ServiceConfiguration.viewTables {
        configuration.views.tables += readTables(
          node, named: "views.view", most: ServiceConfiguration.maximumViews, settings: ViewTable.settings,
          empty: ViewTable())
      } else if (section.name, name) == ServiceConfiguration.sourceTables {
        configuration.dataset.tables += readTables(
          node, named: "dataset.source", most: ServiceConfiguration.maximumSources,
          settings: DatasetSource.tableSettings, empty: DatasetSource())
      } else if let setting = section.settings.first(where: { $0.name == name }) {
        var changed = configuration
        read(setting, "\(section.name).\(name)", node, into: &changed)
        configuration = changed
      } else {
        report(node.line, "\(section.name).\(name)", unknown(name, in: section.name))
      }
    }
  }

  /// The tables that a key has, each of which begins as `empty`.
  private mutating func readTables<Table>(
    _ node: TOMLNode, named key: String, most: Int, settings: [Setting<Table>], empty: Table
  ) -> [Table] {
    let tables = if case .array(let nodes) = node.content { nodes } else { [TOMLNode]() }
    guard !tables.isEmpty, tables.count <= most else {
      report(node.line, key, "must be 1 to \(most) tables, each headed by [[\(key)]]")
      return []
    }
    return tables.enumerated().compactMap { index, table in
      let name = "\(key)[\(index)]"
      guard case .table(let entries) = table.content else {
        report(table.line, name, "must be a table, headed by [[\(key)]]")
        return nil
      }
      lines[name] = table.line
      var described = empty
      for (entry, node) in entries {
        if let setting = settings.first(where: { $0.name == entry }) {
          read(setting, "\(name).\(entry)", node, into: &described)
        } else {
          let names = settings.map(\.name)
          report(
            node.line, "\(name).\(entry)",
            Self.unknown(closest: Spelling.closest(to: entry, among: names), names))
        }
      }
      return described
    }
  }

  /// Puts the value of a node into `root`, or reports why it is not accepted.
  private mutating func read<Root>(_ setting: Setting<Root>, _ key: String, _ node: TOMLNode, into root: inout Root) {
    lines[key] = node.line
    let value = SettingValue(node)
    if let value, setting.assign(value, &root) { return }
    let given =
      switch node.content {
      case .table: "a table"
      case .dateTime: "a date"
      default: value.map(\.toml) ?? "a list with tables or dates"
      }
    report(node.line, key, "must be \(setting.accepted), not \(given)")
  }

  private mutating func report(_ line: Int?, _ key: String, _ message: String) {
    problems.append(.init(line: line, key: key, message: message))
  }

  // MARK: What only shows when values are looked at together

  private mutating func checkTogether() {
    let batch = configuration.batch
    let style = configuration.style
    if let rank = batch.ranks.first(where: { $0 >= batch.worldSize }) {
      report(
        lines["batch.ranks"] ?? lines["batch.world_size"], "batch.ranks",
        "rank \(rank) is not below batch.world_size = \(batch.worldSize)")
    }
    if !configuration.ring.group.isEmpty && configuration.ring.groupNumber == nil {
      report(
        lines["ring.group"], "ring.group",
        "there is no group \"\(configuration.ring.group)\" on this machine; name one, or \"\" for no other readers than the own"
      )
    }
    checkSources()
    checkViews()
    guard style.enabled else { return }
    if let view = style.views.first(where: { $0 >= configuration.viewCount }) {
      report(
        lines["style.views"], "style.views",
        "there is no view \(view): they are numbered from 0 to \(configuration.viewCount - 1)")
    }
    if !style.weights.isEmpty, ![.folder, .bank].contains(style.source) {
      report(
        lines["style.weights"], "style.weights",
        "is for styles that have names: those of style.source = \"folder\" or \"bank\"")
    }
    switch style.source {
    case .inBatch:
      if batch.size % style.group != 0 {
        report(
          lines["style.group"] ?? lines["batch.size"], "style.group",
          "batch.size = \(batch.size) is not a multiple of style.group = \(style.group); "
            + "samples lend each other their styles in whole groups")
      }
    case .folder:
      if style.folder.isEmpty {
        report(lines["style.source"], "style.folder", "must be set where style.source is \"folder\"")
      }
    case .bank, .sampled:
      break
    }
  }

  private mutating func checkSources() {
    let dataset = configuration.dataset
    if dataset.tables.isEmpty {
      for (key, problem) in dataset.own.problems {
        report(lines["dataset.\(key)"], "dataset.\(key)", problem)
      }
    } else if dataset.own != ServiceConfiguration.Dataset.standard {
      let key = DatasetSource.settings.map(\.name).first { lines["dataset.\($0)"] != nil } ?? "path"
      report(
        lines["dataset.\(key)"], "dataset.\(key)",
        "has no meaning beside [[dataset.source]]; write it there")
    }
    for (index, source) in dataset.tables.enumerated() {
      let table = "dataset.source[\(index)]"
      for (key, problem) in source.problems {
        report(lines["\(table).\(key)"] ?? lines[table], "\(table).\(key)", problem)
      }
    }
  }

  private mutating func checkViews() {
    let views = configuration.views
    let tables = configuration.tableOfView
    if tables.count > ServiceConfiguration.maximumViews {
      return report(
        lines["views.view[0]"], "views.view",
        "the tables describe \(tables.count) views, and there may be \(ServiceConfiguration.maximumViews)")
    }
    if views.count > 0, tables.count > views.count {
      report(
        lines["views.count"], "views.count",
        "the tables describe \(tables.count) views, which is more than \(views.count)")
    }
    if let twice = views.order.first(where: { name in views.order.count { $0 == name } > 1 }) {
      report(lines["views.order"], "views.order", "names \"\(twice)\" twice")
    }
    // Views of one table or of none have the same problems, which are told once.
    var told: Set<String> = []
    for (index, recipe) in configuration.viewRecipes.enumerated() {
      let key = tables.indices.contains(index) ? "views.view[\(tables[index])]" : "views"
      for problem in recipe.problems where told.insert(key + problem).inserted {
        report(lines[key] ?? lines["views.side"], key, problem)
      }
    }
  }

  // MARK: Unknown keys

  /// What to say about a key that `section` does not have; with an empty section, about one at the top of the file.
  private func unknown(_ name: String, in section: String) -> String {
    let sections = ServiceConfiguration.sections
    guard let known = sections.first(where: { $0.name == section }) else {
      let names = sections.map(\.name)
      if let owner = sections.first(where: { $0.settings.contains { $0.name == name } }) {
        return "unknown key; did you mean \(name) in [\(owner.name)]?"
      }
      return "unknown section" + Self.suggestion(Spelling.closest(to: name, among: names), "the sections are", names)
    }
    var names = known.settings.map(\.name)
    for tables in [ServiceConfiguration.viewTables, ServiceConfiguration.sourceTables] where tables.section == section {
      names.append(tables.key)
    }
    let closest = Spelling.closest(to: name, among: names)
    if closest == nil {
      if let owner = sections.first(where: { $0.settings.contains { $0.name == name } }) {
        return "unknown key; did you mean \(owner.name).\(name)?"
      }
      if section == ServiceConfiguration.viewTables.section,
        ViewTable.settings.contains(where: { $0.name == name })
      {
        return "unknown key; \(name) is a key of single views, below [[views.view]]"
      }
      if section == ServiceConfiguration.sourceTables.section,
        DatasetSource.tableSettings.contains(where: { $0.name == name })
      {
        return "unknown key; \(name) is a key of single sources, below [[dataset.source]]"
      }
    }
    return Self.unknown(closest: closest.map { "\(section).\($0)" }, names)
  }

  private static func unknown(closest: String?, _ names: [String]) -> String {
    "unknown key" + suggestion(closest, "the keys here are", names)
  }

  private static func suggestion(_ closest: String?, _ introduction: String, _ names: [String]) -> String {
    if let closest { return "; did you mean \(closest)?" }
    return "; \(introduction) \(names.joined(separator: ", "))"
  }
}
