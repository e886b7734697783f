import Basics
import CArchive
import FoundationEssentials
import Glibc
import ImageFormats

/// Reads the headers of one tar shard with libarchive, and the labels that lie in it.
struct ShardReader {
  private let path: BytePath
  private let labelField: String

  /// Enough for a header and the bytes of a small member, so that tiny members cost less than one call of the system each.
  private static let bufferSize = 16 << 10
  /// Labels and descriptions are small; what is larger is none.
  private static let maximumLabelBytes: Int64 = 16 << 20

  /// A reader of the shard at `path`.
  ///
  /// - Parameter labelField: the field of each sample's `.json` that has its label; empty for the whole number in its `.cls`.
  init(_ path: BytePath, labelField: String) {
    self.path = path
    self.labelField = labelField
  }

  /// The shard's table.
  ///
  /// - Throws: `DatasetError` where the file cannot be read, is no tar archive, is compressed, damaged or ends too early, has a picture
  ///   twice, or has a label that is none.
  func table() throws(DatasetError) -> ShardTable {
    let file: RegularFile
    do {
      file = try RegularFile(path)
    } catch .vanished {
      throw .notFound(path)
    } catch .unreadable(let errno) {
      throw .unreadable(path, errno: errno)
    } catch {
      throw .unreadable(path, errno: FileBytes.errnoForUnsuitableFile)
    }
    let identity = ShardTable.Identity(file.status)
    var found = Found()
    try read(file, into: &found)
    var status = stat()
    guard fstat(file.descriptor, &status) == 0 else { throw .unreadable(path, errno: errno) }
    guard ShardTable.Identity(status) == identity else { throw .shardChanged(path) }
    return try found.table(of: path, identity)
  }

  /// Members as they come.
  private struct Found {
    var names = PathTable()
    var members: [ShardTable.Member] = []
    /// By key.
    var labels: [BytePath: Int64] = [:]

    /// In the order of their names, with their labels.
    func table(of path: BytePath, _ identity: ShardTable.Identity) throws(DatasetError) -> ShardTable {
      var sortedNames = PathTable()
      var sorted: [ShardTable.Member] = []
      sorted.reserveCapacity(members.count)
      var last: BytePath?
      for index in names.sortedIndicesByDirectory() {
        let (name, label) = names.withPath(index) { bytes in
          (BytePath(bytes), labels.isEmpty ? -1 : ShardTable.key(of: bytes).flatMap { labels[BytePath($0)] } ?? -1)
        }
        guard name != last else { throw .memberTwice(path, name) }
        last = name
        name.bytes.withUnsafeBufferPointer { sortedNames.append($0) }
        sorted.append(members[index])
        sorted[sorted.count - 1].label = label
      }
      return ShardTable(identity: identity, names: sortedNames, members: sorted, isLabelled: !labels.isEmpty)
    }
  }

  /// Reads all members of an archive.
  private func read(_ file: borrowing RegularFile, into found: inout Found) throws(DatasetError) {
    // libarchive converts the names of the pax format to the character set of the locale; in that of a C program, most have none.
    let utf8 = newlocale(Int32(1 << LC_CTYPE), "C.UTF-8", nil)
    let former = uselocale(utf8)
    defer {
      uselocale(former)
      if let utf8 { freelocale(utf8) }
    }
    guard let archive = archive_read_new() else { throw .unreadable(path, errno: ENOMEM) }
    defer { archive_read_free(archive) }
    archive_read_support_format_tar(archive)
    // Of archives that were written one after the other into one file, all members count.
    archive_read_set_option(archive, "tar", "read_concatenated_archives", "1")
    guard archive_read_open_fd(archive, file.descriptor, Self.bufferSize) == ARCHIVE_OK else {
      throw error(of: archive, else: try reasonForNoArchive(file))
    }
    try read(archive, of: file, into: &found)
  }

  /// How files begin that a compressing program has written.
  private static let compressions: [(name: String, beginning: [UInt8])] = [
    ("gzip", [0x1F, 0x8B]), ("bzip2", Array("BZh".utf8)), ("xz", [0xFD] + "7zXZ\0".utf8),
    ("zstd", [0x28, 0xB5, 0x2F, 0xFD]), ("lz4", [0x04, 0x22, 0x4D, 0x18]),
  ]

  /// What a file is that is no tar archive.
  private func reasonForNoArchive(_ file: borrowing RegularFile) throws(DatasetError) -> DatasetError {
    let beginning = try read(6, at: 0, of: file)
    let compression = Self.compressions.first { beginning.starts(with: $0.beginning) }
    return compression.map { .compressedShard(path, by: $0.name) } ?? .notAShard(path)
  }

  /// What libarchive met: a fault of the machine, or else one of the file.
  private func error(of archive: OpaquePointer, else fault: DatasetError) -> DatasetError {
    let code = archive_errno(archive)
    return isFaultOfTheMachine(errno: code) ? .unreadable(path, errno: code) : fault
  }

  private func read(
    _ archive: OpaquePointer, of file: borrowing RegularFile, into found: inout Found
  ) throws(DatasetError) {
    let fileSize = Int64(file.status.st_size)
    var isFirst = true
    while true {
      var entry: OpaquePointer?
      let result = archive_read_next_header(archive, &entry)
      if result == ARCHIVE_EOF { return }
      let header = archive_read_header_position(archive)
      // After what it takes for fatal, libarchive does not tell that any more: it was in the block that it read last.
      let start = header >= 0 ? header : max(0, archive_filter_bytes(archive, 0) - Int64(ShardTable.blockSize))
      guard result == ARCHIVE_OK || result == ARCHIVE_WARN, let entry else {
        throw error(of: archive, else: isFirst ? try reasonForNoArchive(file) : .damagedShard(path, at: Int(start)))
      }
      isFirst = false
      let offset = archive_filter_bytes(archive, 0)
      let isLink = archive_entry_hardlink(entry) != nil || archive_entry_symlink(entry) != nil
      guard isLink || archive_entry_filetype(entry) & S_IFMT == S_IFREG else { continue }
      guard let name = Self.name(of: entry) else { throw .damagedShard(path, at: Int(start)) }
      let isSparse = archive_entry_sparse_count(entry) > 0
      let size = isLink ? 0 : archive_entry_size(entry)
      guard size >= 0 else { throw .damagedShard(path, at: Int(start)) }
      // A header may tell any size: added to a place, the largest would be no number any more.
      let rest = max(0, fileSize - offset)
      guard isSparse || size <= rest else {
        throw .truncatedShard(path, member: BytePath(name), missing: Int(size - rest))
      }
      if let storage = Self.storage(of: name, isSparse: isSparse, isLink: isLink) {
        name.withUnsafeBufferPointer { found.names.append($0) }
        found.members.append(
          ShardTable.Member(
            offset: offset, size: size, label: -1, headerHash: try hashOfHeader(before: offset, in: file),
            storage: storage))
      } else if let key = keyOfLabel(name), let label = try label(in: archive, size: size, member: BytePath(name)) {
        guard found.labels.updateValue(label, forKey: key) == nil else { throw .memberTwice(path, BytePath(name)) }
      }
    }
  }

  private func hashOfHeader(before offset: Int64, in file: borrowing RegularFile) throws(DatasetError) -> UInt32 {
    let block = try read(ShardTable.blockSize, at: Int(offset) - ShardTable.blockSize, of: file)
    guard block.count == ShardTable.blockSize else { throw .shardChanged(path) }
    return block.withUnsafeBytes { ShardTable.hash(ofHeader: $0) }
  }

  /// The bytes from `offset` on; fewer than `count` where the file ends before.
  private func read(
    _ count: Int, at offset: Int, of file: borrowing RegularFile
  ) throws(DatasetError) -> [UInt8] {
    let start = UnsafeMutablePointer<UInt8>.allocate(capacity: count)
    defer { start.deallocate() }
    do throws(SampleError) {
      return Array(UnsafeBufferPointer(start: start, count: try file.read(count, at: offset, into: start)))
    } catch {
      guard case .unreadable(let errno) = error else { throw .shardChanged(path) }
      throw .unreadable(path, errno: errno)
    }
  }

  /// The name of a member without a leading `./`; nil where it has none.
  private static func name(of entry: OpaquePointer) -> [UInt8]? {
    guard let text = archive_entry_pathname(entry) ?? archive_entry_pathname_utf8(entry) else { return nil }
    var name = UnsafeRawBufferPointer(start: text, count: strlen(text))[...]
    while name.starts(with: "./".utf8) { name = name.dropFirst(2) }
    return name.isEmpty ? nil : Array(name)
  }

  /// How a member with the name of a picture is stored; nil where its name is that of something else.
  private static func storage(
    of name: [UInt8], isSparse: Bool, isLink: Bool
  ) -> ShardTable.Storage? {
    name.withUnsafeBufferPointer { name in
      let file = UnsafeBufferPointer(rebasing: name[(name.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0)...])
      if ImageFileName.matches(file) { return isLink ? .link : isSparse ? .sparse : .plain }
      for suffix in [".gz", ".bz2", ".xz", ".zst"] where file.suffix(suffix.utf8.count).elementsEqual(suffix.utf8) {
        if ImageFileName.matches(UnsafeBufferPointer(rebasing: file.dropLast(suffix.utf8.count))) { return .compressed }
      }
      return nil
    }
  }

  // MARK: Labels

  /// The key of a member that holds a label; nil where it holds something else.
  private func keyOfLabel(_ name: [UInt8]) -> BytePath? {
    name.withUnsafeBufferPointer { name in
      guard let key = ShardTable.key(of: name) else { return nil }
      return name[key.count...].elementsEqual((labelField.isEmpty ? ".cls" : ".json").utf8) ? BytePath(key) : nil
    }
  }

  /// The label in the member that the archive stands at; nil where a description does not have the field.
  private func label(
    in archive: OpaquePointer, size: Int64, member: BytePath
  ) throws(DatasetError) -> Int64? {
    guard size <= Self.maximumLabelBytes else { throw .badLabel(path, member, "\(size) bytes") }
    var bytes = [UInt8](repeating: 0, count: Int(size))
    let count = bytes.withUnsafeMutableBytes { archive_read_data(archive, $0.baseAddress, $0.count) }
    guard count == bytes.count else {
      throw error(of: archive, else: .damagedShard(path, at: Int(archive_filter_bytes(archive, 0))))
    }
    if labelField.isEmpty {
      let blanks = Set(" \t\r\n".utf8)
      let digits = bytes.drop { blanks.contains($0) }.reversed().drop { blanks.contains($0) }.reversed()
      guard let label = Int64(String(decoding: digits, as: UTF8.self)), label >= -1 else {
        throw .badLabel(path, member, Self.excerpt(of: bytes))
      }
      return label
    }
    let description: LabelDescription
    do {
      let decoder = JSONDecoder()
      decoder.userInfo[LabelDescription.field] = labelField
      description = try decoder.decode(LabelDescription.self, from: Data(bytes))
    } catch {
      throw .badLabel(path, member, Self.excerpt(of: bytes))
    }
    guard let label = description.label else { return nil }
    guard label >= -1 else { throw .badLabel(path, member, "\(label)") }
    return label
  }

  private static func excerpt(of bytes: [UInt8]) -> String { BytePath(bytes.prefix(40).filter { $0 != 0 }).description }
}

/// The one field of a sample's description that has its label.
private struct LabelDescription: Decodable {
  static let field = CodingUserInfoKey(rawValue: "field")!

  private struct Key: CodingKey {
    let stringValue: String
    let intValue: Int? = nil

    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  /// Nil where the field is missing or null.
  let label: Int64?

  init(from decoder: any Decoder) throws {
    let name = decoder.userInfo[Self.field] as! String
    label = try decoder.container(keyedBy: Key.self).decodeIfPresent(Int64.self, forKey: Key(stringValue: name))
  }
}
