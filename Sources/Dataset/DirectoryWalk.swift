import Basics
import Glibc
import ImageFormats

/// The images, or the shards, below one directory, in an order that does not depend on the file system.
///
/// The order is that of torchvision: by the directory's path, then by the file's name, comparing bytes. Symbolic links
/// to directories are followed after all real directories, and each real directory is entered only once, known by device
/// and inode; so links that form a loop end, and no file is found under two names through them.
struct DirectoryWalk {
  /// What is looked for, by the names of files.
  enum Content {
    case images, shards

    fileprivate func matches(_ name: UnsafeBufferPointer<UInt8>) -> Bool {
      switch self {
      case .images: ImageFileName.matches(name)
      case .shards: ShardFileName.matches(name)
      }
    }
  }

  /// A directory, known by where it is stored.
  struct Identity: Hashable {
    let device: dev_t
    let inode: ino_t

    init(_ status: stat) {
      device = status.st_dev
      inode = status.st_ino
    }
  }

  /// What one directory holds.
  struct Listing {
    var files = PathTable()
    var directories: [BytePath] = []
    var links: [BytePath] = []
    let identity: Identity
  }

  private let root: BytePath
  private let content: Content
  private var visited: Set<Identity>

  /// A walk whose paths start at `root` and which enters none of the directories `excluded`.
  init(root: BytePath, lookingFor content: Content = .images, excluding excluded: Set<Identity> = []) {
    self.root = root
    self.content = content
    visited = excluded
  }

  /// Adds those files below `start`, a path relative to the root, that `selection` takes to `paths`.
  ///
  /// - Parameter progress: told now and then how many files `paths` would have with those found so far.
  mutating func appendFiles(
    below start: BytePath, selection: inout EntrySelection, to paths: inout PathTable,
    progress: (Int) -> Void = { _ in }
  ) throws(DatasetError) {
    var count = paths.count
    var found: [(directory: BytePath, files: PathTable)] = []
    var directories = [start]
    var links: [BytePath] = []
    while let directory = directories.popLast() ?? links.popLast() {
      guard
        let listing = try list(directory, selection: &selection, progress: { progress(count + $0) })
      else { continue }
      count += listing.files.count
      progress(count)
      found.append((directory, listing.files))
      directories += listing.directories
      links += listing.links
      if directories.isEmpty {
        // Where two links lead to one directory, the first in order wins; links are taken from the back.
        links.sort { $1.bytes.lexicographicallyPrecedes($0.bytes) }
      }
    }
    found.sort { $0.directory.bytes.lexicographicallyPrecedes($1.directory.bytes) }
    for (directory, files) in found {
      for index in files.sortedIndices() {
        files.withPath(index) { paths.append($0, in: directory.bytes) }
      }
    }
  }

  /// What `directory` holds, or nil where it has been visited before.
  private mutating func list(
    _ directory: BytePath, selection: inout EntrySelection, progress: (Int) -> Void
  ) throws(DatasetError) -> Listing? {
    let listing = try Self.list(directory, in: root, lookingFor: content, selection: &selection, progress: progress)
    return visited.insert(listing.identity).inserted ? listing : nil
  }

  /// Files of one folder after which progress is told: often enough on a slow disk.
  private static let progressInterval = 512

  /// What `directory` (a path relative to `root`, empty for the root itself) holds that `selection` takes, subdirectories in no order.
  static func list(
    _ directory: BytePath, in root: BytePath, lookingFor content: Content = .images, selection: inout EntrySelection,
    progress: (Int) -> Void = { _ in }
  ) throws(DatasetError) -> Listing {
    let path = root.appending(directory)
    var descriptor: Int32
    repeat {
      descriptor = path.withCString { open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK) }
    } while descriptor < 0 && errno == EINTR
    guard descriptor >= 0 else {
      switch errno {
      case ENOENT: throw .notFound(path)
      case ENOTDIR: throw .notADirectory(path)
      case let code: throw .unreadable(path, errno: code)
      }
    }
    var status = stat()
    guard fstat(descriptor, &status) == 0, let stream = fdopendir(descriptor) else {
      let code = errno
      close(descriptor)
      throw .unreadable(path, errno: code)
    }
    defer { closedir(stream) }

    var listing = Listing(identity: Identity(status))
    while true {
      errno = 0
      guard let entry = readdir(stream) else {
        guard errno == 0 else { throw .unreadable(path, errno: errno) }
        return listing
      }
      let nameStart = UnsafeRawPointer(entry) + MemoryLayout<dirent>.offset(of: \.d_name)!
      let name = UnsafeBufferPointer(
        start: nameStart.assumingMemoryBound(to: UInt8.self),
        count: strlen(nameStart.assumingMemoryBound(to: CChar.self)))
      if name.elementsEqual(".".utf8) || name.elementsEqual("..".utf8) { continue }
      switch kind(of: entry.pointee.d_type, name: nameStart, in: descriptor) {
      case .directory:
        if selection.takesDirectory(name, in: directory) {
          listing.directories.append(directory.appending(BytePath(name)))
        }
      case .linkToDirectory:
        if selection.takesDirectory(name, in: directory) { listing.links.append(directory.appending(BytePath(name))) }
      case .unseen(let code) where !content.matches(name):
        // It may be a class, and without it the labels of all classes behind it would be others.
        if selection.takesDirectory(name, in: directory) {
          throw .unreadable(path.appending(BytePath(name)), errno: code)
        }
      case .unseen, .other:
        // Anything else with the right name counts, as in torchvision; what cannot be read shows when it is read.
        if content.matches(name), selection.takesFile(name, in: directory) {
          listing.files.append(name)
          if listing.files.count.isMultiple(of: Self.progressInterval) { progress(listing.files.count) }
        }
      }
    }
  }

  private enum EntryKind {
    case directory, linkToDirectory, other
    /// What the name leads to cannot be looked at; `errno` says why.
    case unseen(errno: Int32)

    /// What a name is that cannot be followed.
    init(errno: Int32) {
      switch errno {
      // A link that leads nowhere is no directory.
      case ENOENT, ENOTDIR, ELOOP: self = .other
      default: self = .unseen(errno: errno)
      }
    }
  }

  private static func kind(of type: UInt8, name: UnsafeRawPointer, in descriptor: Int32) -> EntryKind {
    switch Int(type) {
    case DT_DIR: return .directory
    case DT_LNK, DT_UNKNOWN:
      let name = name.assumingMemoryBound(to: CChar.self)
      var target = stat()
      var entry = stat()
      guard fstatat(descriptor, name, &target, 0) == 0 else { return EntryKind(errno: errno) }
      guard target.st_mode & S_IFMT == S_IFDIR else { return .other }
      guard fstatat(descriptor, name, &entry, AT_SYMLINK_NOFOLLOW) == 0 else { return EntryKind(errno: errno) }
      return entry.st_mode & S_IFMT == S_IFLNK ? .linkToDirectory : .directory
    default: return .other
    }
  }
}
