import Basics
import FoundationEssentials
import Glibc
import ImageFormats
import Memory

/// A file in which the tables of shards are kept, so that their headers are read once: a cache, which may be deleted at any time.
///
/// Layout, with numbers in the order of bytes of the machine: eight bytes "SASSLTAR", the fingerprint of what decides the tables' contents
/// (8), then for each shard
///
///     bytes of what follows this number and the next (8), their fingerprint (8),
///     size (8) and time (8) of the shard, bytes of its path (8), pictures (8), bytes of their names (8), whether it has labels (1),
///     its absolute path, the names each ended by a NUL, and for each picture
///     offset (8), size (8), label (8), hash of its header (4), how it is stored (1)
struct ShardTableFile {
  private static let magic = Array("SASSLTAR".utf8)

  private let path: BytePath
  /// Tables that are made in another way, by another version or with another label field, are others.
  private let kind: UInt64

  /// The file at `path` with tables whose labels come from `labelField`.
  init(at path: BytePath, labelField: String) {
    self.path = path
    kind =
      Fingerprint { digest in
        digest.append(Int64(1))
        digest.append(labelField)
        for name in ImageFileName.extensions { digest.append(name) }
      }.rawValue
  }

  /// The tables in it by the absolute path of their shard; none where there is no file, or one that is damaged or made in another way.
  func tables() -> [BytePath: ShardTable] {
    var memory = GrowingMemory<UInt8>()
    defer { withExtendedLifetime(memory) {} }
    guard let content = try? FileBytes.read(path, limit: .max, into: &memory) else { return [:] }
    var rest = Bytes(content)
    guard rest.take(Self.magic.count)?.elementsEqual(Self.magic) == true, rest.number() == kind else { return [:] }
    var tables: [BytePath: ShardTable] = [:]
    while let size: UInt64 = rest.number(), let fingerprint: UInt64 = rest.number(),
      let record = Int(exactly: size).flatMap({ rest.take($0) }),
      Fingerprint({ $0.append(bytes: record) }).rawValue == fingerprint,
      let (path, table) = Self.table(in: record)
    {
      tables[path] = table
    }
    return tables
  }

  /// Keeps tables in the place of those that are in it. Where that is not possible, they are made anew another time.
  func keep(_ tables: [(path: BytePath, table: ShardTable)]) {
    var content = Data(Self.magic)
    Self.append(kind, to: &content)
    for (path, table) in tables {
      let record = Self.record(of: path, table)
      Self.append(UInt64(record.count), to: &content)
      Self.append(Fingerprint { digest in record.withUnsafeBytes { digest.append(bytes: $0) } }.rawValue, to: &content)
      content.append(record)
    }
    // Renamed into its place when it is whole, so that whoever reads it meanwhile has the former one.
    let temporary = BytePath(path.bytes + ".\(getpid())".utf8)
    let descriptor = temporary.withCString { open($0, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o644) }
    guard descriptor >= 0 else { return }
    let isWritten = content.withUnsafeBytes { bytes in
      var done = 0
      while done < bytes.count {
        let result = write(descriptor, bytes.baseAddress! + done, bytes.count - done)
        guard result > 0 || errno == EINTR else { return false }
        done += max(0, result)
      }
      return true
    }
    close(descriptor)
    let isInPlace =
      isWritten && temporary.withCString { from in path.withCString { to in rename(from, to) == 0 } }
    if !isInPlace { _ = temporary.withCString { unlink($0) } }
  }

  private static func append(_ number: some FixedWidthInteger, to data: inout Data) {
    withUnsafeBytes(of: number) { data.append(contentsOf: $0) }
  }

  private static func record(of path: BytePath, _ table: ShardTable) -> Data {
    var names = Data()
    table.names.visitAll { name in
      names.append(contentsOf: name)
      names.append(0)
    }
    var data = Data()
    data.reserveCapacity(49 + path.bytes.count + names.count + 29 * table.members.count)
    append(table.identity.size, to: &data)
    append(table.identity.modified, to: &data)
    for count in [path.bytes.count, table.members.count, names.count] { append(Int64(count), to: &data) }
    append(table.isLabelled ? 1 as UInt8 : 0, to: &data)
    data.append(contentsOf: path.bytes)
    data.append(names)
    for member in table.members {
      append(member.offset, to: &data)
      append(member.size, to: &data)
      append(member.label, to: &data)
      append(member.headerHash, to: &data)
      append(member.storage.rawValue, to: &data)
    }
    return data
  }

  /// The table that a record describes; nil where it is none.
  private static func table(in record: UnsafeRawBufferPointer) -> (BytePath, ShardTable)? {
    var rest = Bytes(record)
    guard let size: Int64 = rest.number(), let modified: Int64 = rest.number(), let pathBytes: Int64 = rest.number(),
      let count: Int64 = rest.number(), let nameBytes: Int64 = rest.number(), let isLabelled: UInt8 = rest.number(),
      let path = rest.take(Int(pathBytes)), !path.contains(0), var nameRest = rest.take(Int(nameBytes)).map({ $0[...] })
    else { return nil }
    var names = PathTable()
    var members: [ShardTable.Member] = []
    for _ in 0..<count {
      guard let end = nameRest.firstIndex(of: 0), let offset: Int64 = rest.number(), let size: Int64 = rest.number(),
        let label: Int64 = rest.number(), let headerHash: UInt32 = rest.number(),
        let storage = rest.number().flatMap({ ShardTable.Storage(rawValue: $0) })
      else { return nil }
      names.append(UnsafeRawBufferPointer(rebasing: nameRest[..<end]).bindMemory(to: UInt8.self))
      nameRest = nameRest[(end + 1)...]
      members.append(
        ShardTable.Member(offset: offset, size: size, label: label, headerHash: headerHash, storage: storage))
    }
    return (
      BytePath(path),
      ShardTable(
        identity: ShardTable.Identity(size: size, modified: modified), names: names, members: members,
        isLabelled: isLabelled != 0)
    )
  }

  /// Bytes that are taken from the front, as long as there are enough.
  private struct Bytes {
    private var rest: Slice<UnsafeRawBufferPointer>

    init(_ bytes: UnsafeRawBufferPointer) { rest = bytes[...] }

    mutating func take(_ count: Int) -> UnsafeRawBufferPointer? {
      guard count >= 0, count <= rest.count else { return nil }
      defer { rest = rest.dropFirst(count) }
      return UnsafeRawBufferPointer(rebasing: rest.prefix(count))
    }

    mutating func number<Number: FixedWidthInteger & BitwiseCopyable>() -> Number? {
      take(MemoryLayout<Number>.size)?.loadUnaligned(as: Number.self)
    }
  }
}
