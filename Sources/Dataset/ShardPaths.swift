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
    var status = stat()
    let isThere = path.withCString { stat($0, &status) } == 0
    if isThere, status.st_mode & S_IFMT == S_IFDIR {
      root = path
      var found = PathTable()
      var walk = DirectoryWalk(root: path, lookingFor: .shards)
      try walk.appendFiles(below: "", selection: &selection, to: &found)
      found.visitAll { paths.append(BytePath($0)) }
    } else if ShardFileName.matches(path.bytes) || (!isThere && BraceNotation.isUsed(in: path)) {
      let brace = path.bytes.firstIndex(of: UInt8(ascii: "{")) ?? path.bytes.count
      // What is expanded may be a folder's name: the root is the folder that is there for all.
      root = isThere ? path.directory : BytePath(path.bytes[..<brace]).directory
      let isLocal = !path.bytes[..<brace].contains(UInt8(ascii: "/"))
      let rest =
        isLocal ? path : BytePath(path.bytes[(root.bytes == [UInt8(ascii: "/")] ? 0 : root.bytes.count + 1)...])
      try add(rest, isLiteral: isThere, of: path, selection: &selection)
    } else if isThere {
      root = path.directory
      let list = try ListFile(at: path)
      guard list.labels.allSatisfy({ $0 == -1 }) else { throw .labelledShards(path) }
      for index in 0..<list.paths.count {
        let line = list.paths.withPath(index) { BytePath($0) }
        try add(line, isLiteral: exists(line), of: path, selection: &selection)
      }
    } else {
      throw .notFound(path)
    }
    guard !paths.isEmpty else { throw .noShards(path) }
    try refuseRepeated(path)
  }

  private func exists(_ path: BytePath) -> Bool { root.appending(path).withCString { access($0, F_OK) } == 0 }

  /// Adds what `text` stands for, relative to the root.
  private mutating func add(
    _ text: BytePath, isLiteral: Bool, of path: BytePath, selection: inout EntrySelection
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
