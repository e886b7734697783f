import Basics
import Glibc

/// What of a folder belongs to a data set, and the record of what was left out.
///
/// Operating systems and programs keep folders of their own beside the pictures; taken for classes, they would shift the labels of all
/// classes behind them.
struct EntrySelection {
  private let patterns: [String]
  private(set) var leftOut = LeftOut()

  /// A selection that leaves out what matches one of the shell `patterns` too, by name or by relative path.
  init(excluding patterns: [String] = []) {
    self.patterns = patterns
  }

  /// Whether a directory called `name` is searched; if not, that is noted.
  mutating func takesDirectory(_ name: UnsafeBufferPointer<UInt8>, in parent: BytePath) -> Bool {
    if matches(name, in: parent) {
      leftOut.add(.excluded, parent.appending(BytePath(name)))
    } else if name.first == UInt8(ascii: ".") {
      leftOut.add(.hiddenFolder, parent.appending(BytePath(name)))
    } else if Self.systemFolders.contains(where: { name.elementsEqual($0.utf8) }) {
      leftOut.add(.systemFolder, parent.appending(BytePath(name)))
    } else {
      return true
    }
    return false
  }

  /// Whether a file with the name of an image is a sample; if not, that is noted.
  mutating func takesFile(_ name: UnsafeBufferPointer<UInt8>, in parent: BytePath) -> Bool {
    if matches(name, in: parent) {
      leftOut.add(.excluded, parent.appending(BytePath(name)))
    } else if name.starts(with: "._".utf8) {
      leftOut.add(.resourceFile, parent.appending(BytePath(name)))
    } else {
      return true
    }
    return false
  }

  /// Whether a picture in a shard is a sample; if not, that is noted. Whether its directory is one is asked before.
  mutating func takesMember(
    _ name: UnsafeBufferPointer<UInt8>, of shard: BytePath, as storage: ShardTable.Storage
  ) -> Bool {
    let slash = name.lastIndex(of: UInt8(ascii: "/"))
    let file = UnsafeBufferPointer(rebasing: name[(slash.map { $0 + 1 } ?? 0)...])
    let path = BytePath(shard.bytes + [UInt8(ascii: "/")] + name)
    if !patterns.isEmpty, matches(path) {
      leftOut.add(.excluded, path)
      return false
    }
    guard takesFile(file, in: BytePath(name[..<(slash ?? 0)])) else { return false }
    switch storage {
    case .link: leftOut.add(.linkInShard, path)
    case .compressed: leftOut.add(.compressedInShard, path)
    case .plain, .sparse, .missing: return true
    }
    return false
  }

  /// Folders that file systems, archives and storage servers make for themselves.
  private static let systemFolders = [
    "lost+found", "__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information",
  ]

  private func matches(_ name: UnsafeBufferPointer<UInt8>, in parent: BytePath) -> Bool {
    if patterns.isEmpty { return false }
    let name = BytePath(name)
    let path = parent.appending(name)
    return matches(name) || matches(path)
  }

  private func matches(_ path: BytePath) -> Bool {
    path.withCString { path in patterns.contains { fnmatch($0, path, 0) == 0 } }
  }
}
