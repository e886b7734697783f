import BatchIndex
import Foundation

/// The files of one stream outside shared memory: the index in the state directory, the control socket in the runtime directory.
public struct ServicePlaces: Sendable {
  /// The SQLite index.
  public let indexPath: String
  /// The control socket.
  public let controlPath: String
  /// The file whose lock says who may make that socket.
  let lockPath: String

  /// The places that a configuration names, without touching the disk.
  public init(of configuration: ServiceConfiguration) {
    indexPath = configuration.state.resolvedDirectory + "/" + configuration.stream.name + ".sqlite"
    let runtime = configuration.state.resolvedRuntimeDirectory + "/" + configuration.stream.name
    controlPath = runtime + ".control"
    lockPath = runtime + ".lock"
  }

  /// The same, with both directories made and found writable.
  ///
  /// - Throws: `CommandFailure` that names directory and key.
  init(_ configuration: ServiceConfiguration) throws(CommandFailure) {
    self.init(of: configuration)
    try Self.prepare(configuration.state.resolvedDirectory, key: "state.directory")
    try Self.prepare(configuration.state.resolvedRuntimeDirectory, key: "state.runtime_directory")
  }

  private static func prepare(_ directory: String, key: String) throws(CommandFailure) {
    do {
      try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    } catch {
      throw CommandFailure(
        .cannotCreate, "cannot make the directory \(directory): \(error.localizedDescription); change \(key)")
    }
    guard access(directory, W_OK | X_OK) == 0 else {
      throw CommandFailure(
        .cannotCreate,
        "cannot write to the directory \(directory): \(String(cString: strerror(errno))); change \(key) or its owner")
    }
  }

  /// Opens the index for writing.
  ///
  /// - Throws: `CommandFailure` that names the file.
  func openIndex(windowBatches: Int, death: RehearsedDeath? = nil) throws(CommandFailure) -> BatchIndex {
    do throws(DatabaseError) {
      return try BatchIndex(
        path: indexPath, windowBatches: windowBatches, whenHalfWritten: { death?.reached(.indexHalfWritten) })
    } catch {
      throw CommandFailure(.cannotCreate, "cannot open the index: \(error); change state.directory")
    }
  }
}
