import Basics
import Glibc

/// The shards that `dataset.path` names.
struct ShardPaths {
  /// The folder that relative paths start at.
  let root: BytePath
  /// The shards' paths, relative to the root or absolute, in order.
  private(set) var paths: [BytePath] = []

  /// Finds the shards that `path` names: one shard, all in a folder and below it (in the order of images in a folder), many by
  /// `BraceNotation`, or the lines of a text file, which may use that notation too and whose relative paths start at its folder.
  ///
  /// - Parameter selection: what is left out of them.
  /// - Throws: `DatasetError` where there is nothing, or what is there cannot be read.
  init(at path: BytePath, selection: inout EntrySelection) throws(DatasetError) {
    root = Self.root(of: path)
    let kind = Self.kind(of: path)
    if kind == S_IFDIR {
      var found = PathTable()
      var walk = DirectoryWalk(root: path, lookingFor: .shards)
      try walk.appendFiles(below: "", selection: &selection, to: &found)
      found.visitAll { paths.append(BytePath($0)) }
    } else if Self.isShard(path) {
      let isBelow = path.bytes.starts(with: root.bytes + [UInt8(ascii: "/")])
      try add(
        isBelow ? BytePath(path.bytes[(root.bytes.count + 1)...]) : path, isLiteral: kind != nil,
        selection: &selection)
    } else if kind != nil {
      let list = try ListFile(at: path)
      guard list.labels.allSatisfy({ $0 == -1 }) else { throw .labelledShards(path) }
      for index in 0..<list.paths.count {
        let line = list.paths.withPath(index) { BytePath($0) }
        try add(line, isLiteral: Self.kind(of: root.appending(line)) != nil, selection: &selection)
      }
    } else {
      throw Self.reasonForNothing(at: path)
    }
    guard !paths.isEmpty else { throw .noShards(path) }
    try refuseRepeated(path)
  }

  /// The folder that relative paths of shards start at: a folder itself, or else the one that is there for all that a notation names.
  static func root(of path: BytePath) -> BytePath {
    let kind = kind(of: path)
    if kind == S_IFDIR { return path }
    let end = kind == nil ? path.bytes.firstIndex(of: UInt8(ascii: "{")) : nil
    return BytePath(path.bytes[..<(end ?? path.bytes.count)]).directory
  }

  /// Whether a path that is no folder names shards itself, and is not a list of them.
  private static func isShard(_ path: BytePath) -> Bool {
    ShardFileName.matches(path.bytes) || (kind(of: path) == nil && BraceNotation.isUsed(in: path))
  }

  /// What a path leads to, `S_IFREG` for a file; nil for nothing.
  private static func kind(of path: BytePath) -> mode_t? {
    var status = stat()
    return path.withCString { stat($0, &status) } == 0 ? status.st_mode & S_IFMT : nil
  }

  /// Why a path leads to nothing that can be looked at.
  private static func reasonForNothing(at path: BytePath) -> DatasetError {
    var status = stat()
    guard path.withCString({ stat($0, &status) }) != 0 else { return .notFound(path) }
    switch errno {
    case ENOENT, ENOTDIR: return .notFound(path)
    case let code: return .unreadable(path, errno: code)
    }
  }

  /// Adds what `text` stands for, relative to the root.
  private mutating func add(
    _ text: BytePath, isLiteral: Bool, selection: inout EntrySelection
  ) throws(DatasetError) {
    let expanded: [BytePath]
    do throws(BraceNotation.Fault) {
      expanded = isLiteral ? [text] : try BraceNotation.expanded(text)
    } catch {
      throw .badBraces(text, error)
    }
    for shard in expanded {
      let slash = shard.bytes.lastIndex(of: UInt8(ascii: "/"))
      let directory = slash.map { BytePath(shard.bytes[..<$0]) } ?? ""
      let isTaken = shard.bytes[(slash.map { $0 + 1 } ?? 0)...].withUnsafeBufferPointer {
        selection.takesFile($0, in: directory)
      }
      if isTaken { paths.append(shard) }
    }
  }

  /// The samples of a shard that is named twice would be there twice under one name.
  private func refuseRepeated(_ path: BytePath) throws(DatasetError) {
    var seen = Set<BytePath>()
    for shard in paths where !seen.insert(shard).inserted { throw .shardTwice(path, shard) }
  }
}
