import Basics

/// The pictures of shards that a manifest names: each by its shard's path with its name in there behind it.
struct FrozenShards {
  /// The shards, each once, as the manifest names them.
  private(set) var shards: [BytePath] = []
  /// For each picture the number of its shard, and its name in there.
  private(set) var entries: [(shard: UInt32, name: BytePath)] = []
  /// The label of each picture.
  let labels: [Int64]

  /// Reads the manifest at `path`.
  ///
  /// - Throws: `DatasetError` where it cannot be read, or a line names no picture in a shard.
  init(_ path: BytePath) throws(DatasetError) {
    let list = try ListFile(at: path)
    labels = list.labels
    var numbers: [BytePath: UInt32] = [:]
    for line in 0..<list.paths.count {
      let entry = list.paths.withPath(line) { BytePath($0) }
      guard let end = Self.endOfShard(in: entry.bytes) else {
        throw .badLine(path, line: line + 1, .noShard(entry))
      }
      let shard = BytePath(entry.bytes[..<end])
      let number = numbers[shard] ?? UInt32(shards.count)
      if numbers.updateValue(number, forKey: shard) == nil { shards.append(shard) }
      entries.append((number, BytePath(entry.bytes[(end + 1)...])))
    }
  }

  /// Where the path of the shard ends: before the slash behind the first component that has a shard's name.
  private static func endOfShard(in path: [UInt8]) -> Int? {
    path.indices.first { index in
      path[index] == UInt8(ascii: "/") && ShardFileName.matches(path[..<index])
    }
  }
}
