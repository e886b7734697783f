import BatchIndex
import Foundation
import Testing

@Suite("The index's reader")
struct BatchIndexReaderTests {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  @Test("sees what is written after it was opened")
  func live() throws {
    let index = try BatchIndex(path: folder.index)
    let reader = try BatchIndexReader(path: folder.index)
    for number in 0..<UInt64(3) {
      #expect(try reader.batch(number) == nil)
      index.record(batch(number))
      index.flush()
      #expect(try reader.batch(number) != nil)
    }
  }

  @Test("says that there is no index yet, and makes none")
  func missing() throws {
    expectError(.cannotOpen) { _ = try BatchIndexReader(path: folder.index) }
    #expect(folder.files.isEmpty)
  }

  @Test("refuses a file that is no index")
  func garbage() throws {
    try Data("not a database, but long enough to be taken for one".utf8).write(to: URL(filePath: folder.index))
    expectError(.notADatabase) { _ = try BatchIndexReader(path: folder.index) }
    try Data().write(to: URL(filePath: folder.index))
    expectError(.notADatabase) { _ = try BatchIndexReader(path: folder.index) }
  }

  @Test("reads what a killed service left behind, log and all")
  func killed() throws {
    let index = try BatchIndex(path: folder.index)
    index.record(batch(1))
    index.flush()
    // What the disk holds at this moment is what a killed process leaves.
    let remains = try TemporaryFolder()
    for name in folder.files {
      try FileManager.default.copyItem(atPath: folder.path + "/" + name, toPath: remains.path + "/" + name)
    }
    #expect(remains.files.contains("index.sqlite-wal"))
    let reader = try BatchIndexReader(path: remains.index)
    #expect(try reader.batch(1) == batch(1))
    // And the next service continues from there.
    let next = try BatchIndex(path: remains.index)
    next.record(batch(2))
    next.flush()
    #expect(try reader.latestBatches(limit: 10).map(\.number) == [2, 1])
    #expect(next.health.rebuilds == 0)
  }

  @Test("reads a closed index that it cannot write, and leaves no file beside it", .enabled(if: geteuid() != 0))
  func readOnlyDirectory() throws {
    let index = try BatchIndex(path: folder.index)
    index.record(batch(1))
    index.close()
    chmod(folder.path, 0o555)
    defer { chmod(folder.path, 0o755) }
    #expect(try BatchIndexReader(path: folder.index).batch(1) == batch(1))
    #expect(folder.files == ["index.sqlite"])
  }
}
