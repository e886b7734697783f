import Basics
import BatchRing
import FoundationEssentials
import Glibc

/// The files of one stream outside shared memory: the index and the tables of shards in the state directory, the control socket in the runtime directory.
package struct ServicePlaces: Sendable {
  /// The SQLite index.
  package let indexPath: String
  private let stateDirectory: String
  /// The control socket.
  package let controlPath: String
  /// The file whose lock says who may make that socket.
  package let lockPath: String

  /// The tables of the shards of a source: the same for all streams that have it.
  package func shardTablesPath(of source: DatasetSource) -> String {
    let name = Fingerprint { digest in
      digest.append(source.path)
      digest.append(source.labelField)
    }
    return "\(stateDirectory)/\(name).shards"
  }

  /// The places that a configuration names, without touching the disk.
  package init(of configuration: ServiceConfiguration) {
    stateDirectory = configuration.state.resolvedDirectory
    indexPath = stateDirectory + "/" + configuration.stream.name + ".sqlite"
    let runtime = configuration.state.resolvedRuntimeDirectory + "/" + configuration.stream.name
    controlPath = runtime + ".control"
    lockPath = runtime + ".lock"
  }

  /// The same, with both directories made, and found writable and nobody else's.
  ///
  /// - Throws: `PlaceError`.
  package init(_ configuration: ServiceConfiguration) throws(PlaceError) {
    self.init(of: configuration)
    try Self.prepare(configuration.state.resolvedDirectory, key: "state.directory")
    try Self.prepare(configuration.state.resolvedRuntimeDirectory, key: "state.runtime_directory")
    for path in [indexPath, controlPath] where Self.status(of: path, throughLinks: false)?.kind == S_IFLNK {
      throw .symbolicLink(path: path)
    }
  }

  /// What a path leads to; `nil` where it leads to nothing.
  private static func status(of path: String, throughLinks: Bool) -> (kind: mode_t, mode: mode_t, owner: FileOwner)? {
    var status = stat()
    guard fstatat(AT_FDCWD, path, &status, throughLinks ? 0 : AT_SYMLINK_NOFOLLOW) == 0 else { return nil }
    return (status.st_mode & S_IFMT, status.st_mode & 0o7777, FileOwner(status.st_uid))
  }

  /// Why nothing may be kept in a directory that is there: whoever can make names in it can have others' files written.
  package static func fault(of directory: String) -> String? {
    guard let status = status(of: directory, throughLinks: true) else { return nil }
    if !status.owner.isTrusted {
      return "belongs to user \(status.owner), who is neither root, nor this user, nor the service's"
    }
    if status.mode & 0o002 != 0 {
      return "may be written by everybody (mode \(String(status.mode, radix: 8)))"
    }
    return nil
  }

  private static func prepare(_ directory: String, key: String) throws(PlaceError) {
    do {
      // What is made here is for this user and its group, whatever the umask.
      try FileManager.default.createDirectory(
        atPath: URL(fileURLWithPath: directory).deletingLastPathComponent().path, withIntermediateDirectories: true)
      if mkdir(directory, 0o750) != 0 && errno != EEXIST { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
    } catch {
      throw .cannotMake(directory: directory, reason: systemReason(of: error), key: key)
    }
    if let fault = fault(of: directory) {
      throw .unsafe(directory: directory, fault: fault, key: key)
    }
    guard access(directory, W_OK | X_OK) == 0 else {
      throw .notWritable(directory: directory, reason: String(cString: strerror(errno)), key: key)
    }
  }
}
