/// Why it is not known which stream is meant.
package enum KnownStreamError: Error, Sendable, Equatable, CustomStringConvertible {
  /// No stream can have such a name.
  case invalidName(String)
  /// The daemon's configuration file has come to name another stream since it was started.
  case renamed(file: String, from: String, to: String)
  /// No stream has that name.
  case unknown(String, directory: String, overview: String)
  /// No stream was named, and there is none that could be meant.
  case noDefault(installed: String, overview: String)

  package var description: String {
    switch self {
    case .invalidName(let name):
      "'\(name)' is no stream's name, which is 1 to 63 of A-Z, a-z, 0-9, '_' and '-'; --config names a configuration file"
    case .renamed(let file, let name, let present):
      "\(file), from which the daemon of '\(name)' was started, now names '\(present)'"
    case .unknown(let name, let directory, let overview):
      "no stream '\(name)' runs or is installed in \(directory); \(overview)"
    case .noDefault(let installed, let overview):
      "there is no \(installed): name a stream, or a configuration file with --config; \(overview)"
    }
  }
}
