import Basics
import BatchIndex
import BatchRing
import FoundationEssentials
import Glibc

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

  /// The same, with both directories made, and found writable and nobody else's.
  ///
  /// - Throws: `CommandFailure` that names directory and key, or the link that lies where a file should.
  init(_ configuration: ServiceConfiguration) throws(CommandFailure) {
    self.init(of: configuration)
    try Self.prepare(configuration.state.resolvedDirectory, key: "state.directory")
    try Self.prepare(configuration.state.resolvedRuntimeDirectory, key: "state.runtime_directory")
    for path in [indexPath, controlPath] where Self.status(of: path, throughLinks: false)?.kind == S_IFLNK {
      throw CommandFailure(
        .cannotCreate, "\(path) is a symbolic link, which is never followed: remove it, and see who put it there")
    }
  }

  /// What a path leads to; `nil` where it leads to nothing.
  private static func status(of path: String, throughLinks: Bool) -> (kind: mode_t, mode: mode_t, owner: FileOwner)? {
    var status = stat()
    guard fstatat(AT_FDCWD, path, &status, throughLinks ? 0 : AT_SYMLINK_NOFOLLOW) == 0 else { return nil }
    return (status.st_mode & S_IFMT, status.st_mode & 0o7777, FileOwner(status.st_uid))
  }

  /// Why nothing may be kept in a directory that is there: whoever can make names in it can have others' files written.
  static func fault(of directory: String) -> String? {
    guard let status = status(of: directory, throughLinks: true) else { return nil }
    if !status.owner.isTrusted {
      return "belongs to user \(status.owner), who is neither root, nor this user, nor the service's"
    }
    if status.mode & 0o002 != 0 {
      return "may be written by everybody (mode \(String(status.mode, radix: 8)))"
    }
    return nil
  }

  private static func prepare(_ directory: String, key: String) throws(CommandFailure) {
    do {
      // What is made here is for this user and its group, whatever the umask.
      try FileManager.default.createDirectory(
        atPath: URL(fileURLWithPath: directory).deletingLastPathComponent().path, withIntermediateDirectories: true)
      if mkdir(directory, 0o750) != 0 && errno != EEXIST { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
    } catch {
      throw CommandFailure(
        .cannotCreate, "cannot make the directory \(directory): \(systemReason(of: error)); change \(key)")
    }
    if let fault = fault(of: directory) {
      throw CommandFailure(
        .cannotCreate, "the directory \(directory) \(fault): change \(key), or have it removed")
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
