import Basics
import Glibc

/// The folder that holds a data set, as it was when the catalog was made.
///
/// A file that is gone was deleted. Where the whole folder is gone, or an empty mount point is in its place, nobody deleted
/// anything: it was unmounted, renamed for a moment, or its server is away.
struct FolderPresence: Sendable {
  private let path: BytePath
  /// The file system that it is on; `nil` where it was not there to begin with.
  private let device: dev_t?

  /// The folder at `path`, as it is now.
  init(of path: BytePath) {
    self.path = path
    device = Self.device(of: path)
  }

  /// Whether it was there and is not any more.
  var isAway: Bool { device != nil && Self.device(of: path) != device }

  private static func device(of path: BytePath) -> dev_t? {
    var status = stat()
    guard path.withCString({ stat($0, &status) }) == 0, status.st_mode & S_IFMT == S_IFDIR else { return nil }
    return status.st_dev
  }
}
