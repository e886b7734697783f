import Basics
import Glibc
import Memory

/// The pictures of many shards, in one order that does not depend on how they are divided among the shards.
///
/// The order is that of their names in the archives as paths: by directory, then by file name, comparing bytes, as in a folder that they
/// were unpacked to. Pictures of one name in several shards come in the order of the shards.
struct ShardSamples: Sendable {
  /// The names in the archives.
  let names: PathTable
  /// What was found beside the pictures and is none.
  let leftOut: LeftOut
  /// How many pictures have a label.
  private let isLabelled: Bool

  private let root: BytePath
  /// The shards' paths as they were given, and what they were like.
  private let shards: [(path: BytePath, identity: ShardTable.Identity)]
  private let members: [ShardTable.Member]
  /// The shard of each picture.
  private let shardNumbers: [UInt32]

  /// Joins the tables of shards.
  ///
  /// - Parameters:
  ///   - root: the folder that relative paths of shards start at.
  ///   - selection: what is left out of them, by a member's name, by its path in the archive, or by both paths joined.
  init(root: BytePath, tables: [(path: BytePath, table: ShardTable)], selection: consuming EntrySelection) {
    self.root = root
    shards = tables.map { ($0.path, $0.table.identity) }
    isLabelled = tables.contains { $0.table.isLabelled }
    var found = PathTable()
    var foundMembers: [ShardTable.Member] = []
    var foundShards: [UInt32] = []
    for (number, entry) in tables.enumerated() {
      var directory = DirectoryOfMember()
      var index = 0
      entry.table.names.visitAll { name in
        let member = entry.table.members[index]
        index += 1
        guard directory.isTaken(of: name, &selection), selection.takesMember(name, of: entry.path, as: member.storage)
        else { return }
        found.append(name)
        foundMembers.append(member)
        foundShards.append(UInt32(number))
      }
    }
    // Those of one shard are in order already, so that joining them is all that is left to do.
    let order = tables.count == 1 ? Array(0..<found.count) : found.sortedIndicesByDirectory()
    names = tables.count == 1 ? found : found.reordered(order)
    members = order.map { foundMembers[$0] }
    shardNumbers = order.map { foundShards[$0] }
    leftOut = selection.leftOut
  }

  /// Whether the directory of a member belongs to the data set. Members of one directory come one after the other.
  private struct DirectoryOfMember {
    private var last: [UInt8] = []
    private var isTaken = true

    mutating func isTaken(of name: UnsafeBufferPointer<UInt8>, _ selection: inout EntrySelection) -> Bool {
      let directory = name[..<(name.lastIndex(of: UInt8(ascii: "/")) ?? 0)]
      if directory.elementsEqual(last) { return isTaken }
      last = Array(directory)
      isTaken = true
      var start = 0
      while isTaken, start < directory.count {
        let end = directory[start...].firstIndex(of: UInt8(ascii: "/")) ?? directory.count
        isTaken = selection.takesDirectory(
          UnsafeBufferPointer(rebasing: directory[start..<end]), in: BytePath(directory[..<max(0, start - 1)]))
        start = end + 1
      }
      return isTaken
    }
  }

  /// Joins those pictures of shards that a manifest names, in its order.
  ///
  /// - Parameters:
  ///   - root: the folder that relative paths of shards start at.
  ///   - entries: the number of the table of each picture, and its name in there.
  init(
    root: BytePath, tables: [(path: BytePath, table: ShardTable)],
    entries: [(shard: UInt32, name: BytePath)], labels: [Int64]
  ) {
    self.root = root
    shards = tables.map { ($0.path, $0.table.identity) }
    isLabelled = labels.contains { $0 != -1 }
    leftOut = LeftOut()
    shardNumbers = entries.map(\.shard)
    // Where names are in order, as in what was written by this program, the one behind the last one is the next.
    var next = [Int](repeating: 0, count: tables.count)
    var names = PathTable()
    var members: [ShardTable.Member] = []
    for (entry, label) in zip(entries, labels) {
      let table = tables[Int(entry.shard)].table
      let place = table.names.indexByDirectory(of: entry.name, guess: next[Int(entry.shard)])
      next[Int(entry.shard)] = (place ?? 0) + 1
      entry.name.bytes.withUnsafeBufferPointer { names.append($0) }
      var member = place.map { table.members[$0] } ?? .missing
      member.label = label
      members.append(member)
    }
    self.names = names
    self.members = members
  }

  /// The pictures in the order in which they lie in the shards.
  var storageOrder: [Int] {
    members.indices.sorted {
      (shardNumbers[$0], members[$0].offset) < (shardNumbers[$1], members[$1].offset)
    }
  }

  /// The label of each picture; nil where none has one.
  var labels: [Int64]? { isLabelled ? members.map(\.label) : nil }

  /// The path of a picture: its shard's, and behind it its name in there.
  func path(of sample: Int) -> BytePath {
    names.withPath(sample) { BytePath(shards[Int(shardNumbers[sample])].path.bytes + [UInt8(ascii: "/")] + $0) }
  }

  /// Reads the bytes of a picture from its shard.
  ///
  /// - Throws: `SampleError.shardChanged` where the shard is not the one that its table was made of.
  func read(
    _ sample: Int, limit: Int, into memory: inout GrowingMemory<UInt8>
  ) throws(SampleError) -> UnsafeRawBufferPointer {
    let member = members[sample]
    switch member.storage {
    case .plain: break
    case .missing: throw .vanished
    case .sparse, .link, .compressed: throw .sparse
    }
    guard member.size > 0 else { throw .empty }
    guard member.size <= Int64(limit) else { throw .tooLarge(bytes: Int(member.size), limit: limit) }
    let shard = shards[Int(shardNumbers[sample])]
    let file = try RegularFile(root.appending(shard.path))
    guard ShardTable.Identity(file.status) == shard.identity else { throw .shardChanged }
    // The header is read too: it tells whether the bytes behind it are still this picture's.
    let header = ShardTable.blockSize
    let bytes: UnsafeMutablePointer<UInt8>
    do throws(MemoryRefused) {
      bytes = try memory.reserve(header + Int(member.size))
    } catch {
      throw .unreadable(errno: ENOMEM)
    }
    let count = try file.read(header + Int(member.size), at: Int(member.offset) - header, into: bytes)
    var status = stat()
    guard fstat(file.descriptor, &status) == 0 else { throw .unreadable(errno: errno) }
    guard count == header + Int(member.size), ShardTable.Identity(status) == shard.identity,
      ShardTable.hash(ofHeader: UnsafeRawBufferPointer(start: bytes, count: header)) == member.headerHash
    else { throw .shardChanged }
    return UnsafeRawBufferPointer(start: bytes + header, count: Int(member.size))
  }
}
