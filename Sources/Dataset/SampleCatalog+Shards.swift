import Basics
import Glibc
import LongWork

extension SampleCatalog {
  /// The pictures in tar shards as WebDataset defines them.
  ///
  /// Members whose names agree up to the first dot of the file name belong together. Each with the name of a picture is a sample, and its
  /// label is the whole number in the `.cls` of the same key, or in a field of its `.json`; -1 where there is none. Other members are
  /// ignored. Samples are numbered by their names: by directory, then by file name, comparing bytes; those of one name in the order of
  /// the shards. So the numbers are those of a folder that the shards were unpacked to, however pictures are divided among shards.
  ///
  /// - Parameters:
  ///   - path: a shard, a folder of shards, many in the notation `train-{000000..000146}.tar`, or a text file that names one in each line.
  ///   - patterns: shell patterns of what is left out: shards, members, or both paths joined.
  ///   - labelField: the field of `.json` that has the label; empty for `.cls`.
  ///   - manifest: a file that says which pictures there are, and in which order; nil for all that are found.
  ///   - tableFile: where tables are kept, so that headers are read once; nil for nowhere.
  ///   - progress: called before the first shard and after each.
  /// - Throws: `DatasetError` where a shard is missing, cannot be read or is damaged, or there are no pictures.
  package static func shards(
    at path: BytePath, excluding patterns: [String] = [], labelField: String = "",
    manifest: BytePath? = nil,
    tableFile: BytePath? = nil, progress: (WorkProgress) -> Void = { _ in }
  ) throws(DatasetError) -> SampleCatalog {
    if let manifest {
      let frozen = try FrozenShards(manifest)
      let root = ShardPaths.root(of: path)
      let tables = try tables(
        of: frozen.shards, in: root, labelField: labelField, tableFile: tableFile,
        progress: progress)
      return try SampleCatalog(
        shards: ShardSamples(
          root: root, tables: tables, entries: frozen.entries, labels: frozen.labels), root: root,
        files: frozen.shards)
    }
    var selection = EntrySelection(excluding: patterns)
    let shards = try ShardPaths(at: path, selection: &selection)
    let tables = try tables(
      of: shards.paths, in: shards.root, labelField: labelField, tableFile: tableFile,
      progress: progress)
    if !labelField.isEmpty, !tables.contains(where: { $0.table.isLabelled }) {
      throw .noLabelField(path, labelField)
    }
    let found = ShardSamples(root: shards.root, tables: tables, selection: selection)
    return try SampleCatalog(shards: found, root: shards.root, files: shards.paths)
  }

  /// The tables of shards, from the file where they are kept or from the shards themselves.
  private static func tables(
    of shards: [BytePath], in root: BytePath, labelField: String, tableFile: BytePath?,
    progress: (WorkProgress) -> Void
  ) throws(DatasetError) -> [(path: BytePath, table: ShardTable)] {
    let file = tableFile.map { ShardTableFile(at: $0, labelField: labelField) }
    let kept = file?.tables() ?? [:]
    var tables: [(path: BytePath, table: ShardTable)] = []
    var isNew = kept.count != shards.count
    var samples = 0
    var lastKept = clockNanoseconds()
    func keep() {
      file?.keep(tables.map { (absolute(root.appending($0.path)), $0.table) })
    }
    progress(.reading(0, of: shards.count, "shards", samples: 0))
    for shard in shards {
      let place = root.appending(shard)
      var status = stat()
      if let table = kept[absolute(place)], place.withCString({ stat($0, &status) }) == 0,
        ShardTable.Identity(status) == table.identity
      {
        tables.append((shard, table))
      } else {
        tables.append((shard, try ShardReader(place, labelField: labelField).table()))
        isNew = true
        // What was read for long is not read again after an end in the middle of it.
        if clockNanoseconds() - lastKept > 30_000_000_000 {
          keep()
          lastKept = clockNanoseconds()
        }
      }
      samples += tables[tables.count - 1].table.members.count
      progress(.reading(tables.count, of: shards.count, "shards", samples: samples))
    }
    if isNew { keep() }
    return tables
  }

  /// A path that means the same in every directory.
  private static func absolute(_ path: BytePath) -> BytePath {
    guard path.bytes.first != UInt8(ascii: "/"), let current = getcwd(nil, 0) else { return path }
    defer { free(current) }
    return BytePath(String(cString: current)).appending(path)
  }
}
