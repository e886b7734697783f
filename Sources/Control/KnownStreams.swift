import Configuration
import FoundationEssentials
import Glibc

/// The streams of this machine by name: those whose daemons run, found by their control sockets, and those that are installed, found
/// by their configuration files.
package struct KnownStreams {
  /// Where configurations are installed.
  package static let configurationDirectory = "/etc/sassl"

  private let configurationDirectory: String
  private let runtimeDirectories: [String]

  /// The streams that this user can find.
  package init() {
    self.init(
      configurationDirectory: Self.configurationDirectory,
      runtimeDirectories: Self.runtimeDirectories(environment: ProcessInfo.processInfo.environment, user: geteuid()))
  }

  package init(configurationDirectory: String, runtimeDirectories: [String]) {
    self.configurationDirectory = configurationDirectory
    self.runtimeDirectories = runtimeDirectories
  }

  /// Where daemons that were not told otherwise have their sockets: this user's, and the installed service's.
  package static func runtimeDirectories(environment: [String: String], user: uid_t) -> [String] {
    let own = ServiceConfiguration.State().resolvedRuntimeDirectory(environment: environment, user: user)
    let service = ServiceConfiguration.State().resolvedRuntimeDirectory(environment: [:], user: 0)
    return (own == service ? [own] : [own, service]).filter { isTrustworthy($0, user: user) || $0 == service }
  }

  /// Whether only this user or root can have made what is in a directory.
  private static func isTrustworthy(_ directory: String, user: uid_t) -> Bool {
    var status = stat()
    guard lstat(directory, &status) == 0 else { return false }
    return status.st_mode & S_IFMT == S_IFDIR && [user, 0].contains(status.st_uid) && status.st_mode & S_IWOTH == 0
  }

  /// What the daemons that run say of themselves, by name.
  package func running() -> [StatusReport] {
    runtimeDirectories.flatMap { directory in
      ((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? [])
        .filter { $0.hasSuffix(Self.socketSuffix) }
        .compactMap { try? report(from: directory + "/" + $0) }
    }.sorted { $0.name < $1.name }
  }

  /// The configuration of the stream of that name: that of the daemon that runs, or an installed one.
  ///
  /// - Throws: `KnownStreamError`; `ControlError` where this user may not ask the daemon;
  ///   `ConfigurationError` where the file is wrong.
  package func configuration(named name: String) throws -> ServiceConfiguration {
    guard ServiceConfiguration.isName(name) else {
      throw KnownStreamError.invalidName(name)
    }
    if let file = try runningConfigurationFile(of: name) {
      let configuration = try ServiceConfiguration.load(path: file)
      guard configuration.stream.name == name else {
        throw KnownStreamError.renamed(file: file, from: name, to: configuration.stream.name)
      }
      return configuration
    }
    if let configuration = try installedConfiguration(named: name) { return configuration }
    throw KnownStreamError.unknown(name, directory: configurationDirectory, overview: overview())
  }

  /// The configuration of the stream that is meant where none is named: the installed service's, else that of the only daemon that runs.
  ///
  /// - Throws: `KnownStreamError`, and as `configuration(named:)`.
  package func defaultConfiguration() throws -> ServiceConfiguration {
    let installed = configurationDirectory + "/sassld.toml"
    if access(installed, F_OK) == 0 { return try ServiceConfiguration.load(path: installed) }
    let files = running().compactMap(\.configurationFile)
    guard files.count == 1 else {
      throw KnownStreamError.noDefault(installed: installed, overview: overview())
    }
    return try ServiceConfiguration.load(path: files[0])
  }

  /// The configurations of all streams by name: those that are installed, and those of daemons that run and that this user can ask.
  ///
  /// - Returns: beside them, a sentence on each that is left out: its file is wrong, or another stream has its name.
  package func all() -> (configurations: [ServiceConfiguration], leftOut: [String]) {
    var files = installedFiles
    files += running().compactMap(\.configurationFile).filter { !files.contains($0) }
    var configurations: [String: (file: String, configuration: ServiceConfiguration)] = [:]
    var leftOut: [String] = []
    for file in files {
      do throws(ConfigurationError) {
        let configuration = try ServiceConfiguration.load(path: file)
        let name = configuration.stream.name
        if let other = configurations[name] {
          leftOut.append("\(file) is left out: its stream has the name '\(name)', as that of \(other.file)")
        } else {
          configurations[name] = (file, configuration)
        }
      } catch {
        leftOut.append("\(file) is left out: \(error)")
      }
    }
    return (configurations.values.map(\.configuration).sorted { $0.stream.name < $1.stream.name }, leftOut)
  }

  private static let socketSuffix = ".control"

  private func runningConfigurationFile(of name: String) throws -> String? {
    for directory in runtimeDirectories {
      do {
        if let file = try report(from: directory + "/" + name + Self.socketSuffix).configurationFile { return file }
      } catch ControlError.nobodyListens {
        continue
      }
    }
    return nil
  }

  private func report(from path: String) throws -> StatusReport {
    try StatusReport(json: try ControlClient.ask(.status, at: path))
  }

  /// The installed configuration whose stream has that name. A file that is wrong is told where it has the stream's own name.
  private func installedConfiguration(named name: String) throws -> ServiceConfiguration? {
    let own = configurationDirectory + "/" + name + ".toml"
    let files = installedFiles
    for path in files.filter({ $0 == own }) + files.filter({ $0 != own }) {
      do throws(ConfigurationError) {
        let configuration = try ServiceConfiguration.load(path: path)
        if configuration.stream.name == name { return configuration }
      } catch  where path == own {
        throw error
      } catch {
        continue
      }
    }
    return nil
  }

  /// The configuration files that are installed.
  private var installedFiles: [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: configurationDirectory)) ?? [])
      .filter { $0.hasSuffix(".toml") }.sorted().map { configurationDirectory + "/" + $0 }
  }

  private func overview() -> String {
    let streams = running().map { "'\($0.name)'" + ($0.configurationFile.map { " (--config \($0))" } ?? "") }
    return streams.isEmpty
      ? "no daemon that this user can ask runs in \(runtimeDirectories.joined(separator: " or "))"
      : "what runs: \(streams.joined(separator: ", "))"
  }
}
