import BatchIndex
import Foundation
import Testing

@Suite("The index in hostile surroundings")
struct HostileSurroundingsTests {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  static let instance = InstanceRecord(
    identifier: "one", processID: 11, startedAt: moment(1), configurationFingerprint: 7, facts: ["seed": "1"])
  static let badFile = QuarantinedFile(path: [1, 2], sampleID: 5, reason: "is empty", seenAt: moment(1))

  /// An index with something in it, some of it still in the write-ahead log.
  func usedIndex() throws -> BatchIndex {
    let index = try BatchIndex(path: folder.index)
    index.record(Self.instance)
    index.record(Self.badFile)
    for number in 0..<UInt64(50) { index.record(batch(number, samples: 64)) }
    index.flush()
    return index
  }

  /// Records one more batch and expects it, the instance and the bad file in the index that lies at the path now.
  func expectHealed(_ index: BatchIndex, rebuilds: Int = 1) throws {
    index.record(batch(1000))
    index.flush()
    #expect(index.health.degradedBy == nil)
    #expect(index.health.rebuilds == rebuilds)
    #expect(index.health.droppedRecords == 0)
    let reader = try BatchIndexReader(path: folder.index)
    #expect(try reader.batch(1000) == batch(1000))
    #expect(try reader.instances() == [Self.instance])
    #expect(try reader.quarantinedFiles(limit: 10) == [Self.badFile])
  }

  @Test(
    "starts anew where its files were deleted", arguments: [["", "-wal", "-shm"], [""], ["", "-wal"], ["", "-shm"]])
  func deleted(suffixes: [String]) throws {
    let index = try usedIndex()
    for suffix in suffixes { try FileManager.default.removeItem(atPath: folder.index + suffix) }
    try expectHealed(index)
    #expect(try BatchIndexReader(path: folder.index).batch(3) == nil)
  }

  @Test("goes on where only the files beside it were deleted", arguments: ["-wal", "-shm"])
  func deletedBeside(suffix: String) throws {
    let index = try usedIndex()
    try FileManager.default.removeItem(atPath: folder.index + suffix)
    index.record(batch(1000))
    index.flush()
    #expect(index.health.degradedBy == nil)
    #expect(try BatchIndexReader(path: folder.index).batch(1000) == batch(1000))
  }

  @Test("starts anew where its whole directory was deleted")
  func directoryDeleted() throws {
    let index = try usedIndex()
    try FileManager.default.removeItem(atPath: folder.path)
    try expectHealed(index)
  }

  @Test("starts anew where the file is overwritten while it runs", arguments: [0, 4096, 40_960])
  func overwritten(offset: UInt64) throws {
    let index = try usedIndex()
    // Moves everything from the log into the file.
    let other = try DatabaseConnection(path: folder.index, mode: .readWrite)
    _ = try other.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    try overwrite(at: offset, count: 16_384)
    try expectHealed(index)
  }

  @Test("starts anew from a file of garbage, of nothing, or cut short")
  func garbageAtStart() throws {
    let contents = [Data(repeating: 0x55, count: 10_000), Data("SQLite format 3\0 and then nonsense".utf8), Data()]
    for content in contents {
      try content.write(to: URL(filePath: folder.index))
      let index = try BatchIndex(path: folder.index)
      index.record(Self.instance)
      index.record(Self.badFile)
      try expectHealed(index, rebuilds: content.isEmpty ? 0 : 1)
      index.close()
    }
    #expect(truncate(folder.index, 5000) == 0)
    let index = try BatchIndex(path: folder.index)
    index.record(Self.instance)
    index.record(Self.badFile)
    try expectHealed(index)
  }

  @Test("starts anew where somebody dropped a table")
  func tableDropped() throws {
    let index = try usedIndex()
    try DatabaseConnection(path: folder.index, mode: .readWrite).execute("DROP TABLE batch")
    try expectHealed(index)
  }

  @Test("starts anew from another version of the schema", arguments: [0, 1, 99])
  func otherVersion(version: Int) throws {
    try usedIndex().close()
    try DatabaseConnection(path: folder.index, mode: .readWrite).execute("PRAGMA user_version = \(version)")
    expectError(.schemaVersion) { _ = try BatchIndexReader(path: folder.index) }

    let index = try BatchIndex(path: folder.index)
    index.record(Self.instance)
    index.record(Self.badFile)
    try expectHealed(index)
    #expect(try BatchIndexReader(path: folder.index).batch(3) == nil)
  }

  @Test("leaves another program's database alone")
  func foreign() throws {
    let other = try DatabaseConnection(path: folder.index, mode: .readWrite)
    try other.execute("CREATE TABLE precious (value); INSERT INTO precious VALUES (42)")
    expectError(.permission) { _ = try BatchIndex(path: folder.index) }
    expectError(.notADatabase) { _ = try BatchIndexReader(path: folder.index) }
    #expect(try other.rows("SELECT value FROM precious") == [[.integer(42)]])
  }

  @Test("waits where another process holds the lock, and loses nothing")
  func locked() throws {
    let index = try usedIndex()
    let blocker = try DatabaseConnection(path: folder.index, mode: .readWrite)
    try blocker.execute("BEGIN EXCLUSIVE")
    index.record(batch(999))
    index.flush()
    #expect(index.health.degradedBy?.resultCode.primary == .busy)
    #expect(index.health.waitingRecords == 1)
    try blocker.execute("ROLLBACK")
    try expectHealed(index, rebuilds: 0)
    #expect(try BatchIndexReader(path: folder.index).batch(999) == batch(999))
  }

  @Test("a transaction of another process that only reads does not let the log grow without bound")
  func longReader() throws {
    let limit = 1 << 20
    let index = try BatchIndex(path: folder.index, windowBatches: 1000, logLimit: limit, whenHalfWritten: {})
    index.record(Self.instance)
    index.record(Self.badFile)
    index.flush()
    let reader = try DatabaseConnection(path: folder.index, mode: .readOnly)
    try reader.execute("BEGIN")
    _ = try reader.rows("SELECT count(*) FROM batch")
    func logSize() -> Int {
      var status = stat()
      return stat(folder.index + "-wal", &status) == 0 ? Int(status.st_size) : 0
    }
    // About 4 MiB altogether.
    let count: UInt64 = 200
    for number in 0..<count {
      index.record(batch(number, samples: 200))
      if number % 10 == 0 { index.flush() }
    }
    index.flush()
    #expect(index.health.degradedBy?.message.contains("transaction of another process reads the index") == true)
    #expect(index.health.waitingRecords > 0)
    // What one transaction adds comes on top.
    #expect(logSize() < 2 * limit)
    try reader.execute("COMMIT")
    try expectHealed(index, rebuilds: 0)
    // What had waited came in one transaction; the next one empties the log.
    index.record(batch(1001))
    index.flush()
    #expect(logSize() <= limit)
    #expect(try BatchIndexReader(path: folder.index).batch(count - 1) == batch(count - 1, samples: 200))
    index.close()
  }

  @Test("refuses what is no file, and does not wait for it", arguments: ["", "-wal", "-shm"])
  func noFile(suffix: String) throws {
    #expect(mkfifo(folder.index + suffix, 0o600) == 0)
    let error = #expect(throws: DatabaseError.self) { try BatchIndex(path: folder.index) }
    #expect(error?.resultCode.primary == .cannotOpen)
    #expect(error?.message.contains("FIFO") == true)
    expectError(.cannotOpen) { _ = try BatchIndexReader(path: folder.index) }
  }

  @Test("knows what was told when an instance stopped, also where it was told before")
  func stopFacts() throws {
    let index = try usedIndex()
    index.recordStop(ofInstance: "one", at: moment(2), facts: ["seed": "2", "place": "20"])
    index.close()
    let instance = try #require(try BatchIndexReader(path: folder.index).instances().first)
    #expect(instance.stoppedAt == moment(2))
    #expect(instance.facts == ["seed": "2", "place": "20"])
  }

  @Test("says where it cannot write at all")
  func unwritable() throws {
    try Data().write(to: URL(filePath: folder.path + "/file"))
    let path = folder.path + "/file/index.sqlite"
    let error = #expect(throws: DatabaseError.self) { try BatchIndex(path: path) }
    #expect(error?.resultCode.primary == .cannotOpen)
    #expect(error?.description.contains(path) == true)
  }

  /// A file system of 256 KiB on `path`, for those who may mount one.
  static func mountSmallFileSystem(at path: String) -> Bool {
    mount("sassl-test", path, "tmpfs", 0, "size=512k") == 0
  }

  static let canMount: Bool = {
    guard let folder = try? TemporaryFolder(), mountSmallFileSystem(at: folder.path) else { return false }
    return umount(folder.path) == 0
  }()

  @Test("waits where the disk is full", .enabled(if: canMount, "only a privileged user can make a small file system"))
  func diskFull() throws {
    #expect(Self.mountSmallFileSystem(at: folder.path))
    defer { umount2(folder.path, Int32(MNT_DETACH)) }
    let index = try BatchIndex(path: folder.index)
    index.record(Self.instance)
    index.record(Self.badFile)
    index.flush()
    let ballast = try fillUp(folder.path)
    // More than the log's slack can hold.
    for number in 0..<UInt64(20) { index.record(batch(number, samples: 64)) }
    index.flush()
    #expect([.full, .inputOutput].contains(index.health.degradedBy?.resultCode.primary))
    #expect(index.health.waitingRecords == 20)
    try FileManager.default.removeItem(atPath: ballast)
    try expectHealed(index, rebuilds: 0)
    #expect(try BatchIndexReader(path: folder.index).batch(19) == batch(19, samples: 64))
    index.close()
  }

  /// Writes a file until nothing more fits beside it, and returns its path.
  func fillUp(_ folder: String) throws -> String {
    let path = folder + "/ballast"
    let descriptor = open(path, O_CREAT | O_WRONLY, 0o600)
    defer { close(descriptor) }
    let page = [UInt8](repeating: 1, count: 4096)
    while write(descriptor, page, page.count) > 0 {}
    return path
  }

  func overwrite(at offset: UInt64, count: Int) throws {
    let file = try FileHandle(forUpdating: URL(filePath: folder.index))
    try file.seek(toOffset: offset)
    try file.write(contentsOf: Data(repeating: 0xA5, count: count))
    try file.close()
  }
}

/// Expects `body` to throw a `DatabaseError` with the result code `code`.
func expectError(_ code: DatabaseError.ResultCode, _ body: () throws -> Void) {
  let error = #expect(throws: DatabaseError.self, performing: body)
  #expect(error?.resultCode.primary == code)
}
