import BatchIndex
import Foundation
import Testing

@Suite("The index")
struct BatchIndexTests {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  @Test("gives back a batch with all that was drawn for it")
  func batches() throws {
    let index = try BatchIndex(path: folder.index)
    index.record(batch(3, samples: 5))
    index.record(batch(4, rank: 1, samples: 0))
    // The upper half of the range: stored with the bits of a negative number.
    index.record(batch(.max - 1, samples: 1))
    index.flush()
    let reader = try BatchIndexReader(path: folder.index)
    #expect(try reader.batch(3) == batch(3, samples: 5))
    #expect(try reader.batch(4, rank: 1) == batch(4, rank: 1, samples: 0))
    #expect(try reader.batch(.max - 1) == batch(.max - 1, samples: 1))
    #expect(try reader.batch(4) == nil)
    #expect(index.health.writtenRecords == 3)
    #expect(index.health.waitingRecords == 0)
  }

  @Test("knows when a batch was consumed")
  func consumption() throws {
    let index = try BatchIndex(path: folder.index)
    index.record(batch(3))
    index.record(batch(3, rank: 1))
    index.recordConsumption(ofBatch: 3, rank: 1, at: moment(9))
    index.flush()
    let reader = try BatchIndexReader(path: folder.index)
    #expect(try reader.batch(3)?.consumedAt == nil)
    #expect(try reader.batch(3, rank: 1)?.consumedAt == moment(9))
  }

  @Test("replaces a batch that is made again")
  func remade() throws {
    let index = try BatchIndex(path: folder.index)
    index.record(batch(3, samples: 8))
    index.recordConsumption(ofBatch: 3, rank: 0, at: moment(9))
    index.flush()
    index.record(batch(3, samples: 2))
    index.flush()
    let reader = try BatchIndexReader(path: folder.index)
    #expect(try reader.batch(3) == batch(3, samples: 2))
    let database = try DatabaseConnection(path: folder.index, mode: .readOnly)
    #expect(try database.rows("SELECT count(*) FROM sample") == [[.integer(2)]])
  }

  @Test("keeps a window of the batches made last, per rank, also after a seek back")
  func window() throws {
    let index = try BatchIndex(path: folder.index, windowBatches: 3)
    for number in [100, 101, 102, 103, 0, 1] as [UInt64] {
      index.record(batch(number))
    }
    index.record(batch(7, rank: 1))
    index.flush()
    let reader = try BatchIndexReader(path: folder.index)
    #expect(try reader.latestBatches(limit: 10).map(\.number) == [1, 0, 103])
    #expect(try reader.latestBatches(limit: 2).map(\.number) == [1, 0])
    #expect(try reader.latestBatches(limit: 10, rank: 1).map(\.number) == [7])
    let database = try DatabaseConnection(path: folder.index, mode: .readOnly)
    #expect(try database.rows("SELECT count(*) FROM sample") == [[.integer(8)]])
  }

  @Test("counts how often a bad file was met, and keeps its first and last time")
  func quarantine() throws {
    let path: [UInt8] = Array("a\n".utf8) + [0xFF, 0xFE]
    let index = try BatchIndex(path: folder.index)
    index.record(QuarantinedFile(path: path, sampleID: 5, reason: "is empty", seenAt: moment(1)))
    index.record(QuarantinedFile(path: Array("b".utf8), sampleID: 6, reason: "truncated", seenAt: moment(2)))
    index.record(QuarantinedFile(path: path, sampleID: 5, reason: "no such file", seenAt: moment(3)))
    index.flush()
    let reader = try BatchIndexReader(path: folder.index)
    #expect(try reader.quarantinedFileCount() == 2)
    let files = try reader.quarantinedFiles(limit: 10)
    #expect(files.map(\.path) == [path, Array("b".utf8)])
    #expect(files[0].count == 2 && files[0].reason == "no such file")
    #expect(files[0].firstSeen == moment(1) && files[0].lastSeen == moment(3))
    #expect(files[1] == QuarantinedFile(path: Array("b".utf8), sampleID: 6, reason: "truncated", seenAt: moment(2)))
    #expect(try reader.quarantinedFiles(limit: 1).count == 1)
  }

  @Test("remembers runs of the service, the latest first")
  func instances() throws {
    let index = try BatchIndex(path: folder.index)
    let killed = InstanceRecord(
      identifier: "one", processID: 11, startedAt: moment(1), configurationFingerprint: .max - 5, facts: ["seed": "1"])
    let stopped = InstanceRecord(
      identifier: "two", processID: 12, startedAt: moment(2), configurationFingerprint: 7,
      facts: ["seed": "2", "model": "embedded"])
    index.record(killed)
    index.record(stopped)
    index.recordStop(ofInstance: "two", at: moment(3))
    index.flush()
    let instances = try BatchIndexReader(path: folder.index).instances()
    var expected = stopped
    expected.stoppedAt = moment(3)
    #expect(instances == [expected, killed])
  }

  @Test("looks up embeddings by contents and model, bit for bit")
  func embeddings() throws {
    let embedding = (0..<100).map { Float(bitPattern: UInt32($0) &* 0x9E37_79B9 & 0x7F7F_FFFF) }
    let index = try BatchIndex(path: folder.index)
    index.record(StyleEmbeddingRecord(contentHash: .max, modelFingerprint: 1, embedding: embedding))
    index.record(StyleEmbeddingRecord(contentHash: 2, modelFingerprint: 1, embedding: [1]))
    index.record(StyleEmbeddingRecord(contentHash: 2, modelFingerprint: 1, embedding: [-0.5, .infinity]))
    index.flush()
    let reader = try BatchIndexReader(path: folder.index)
    #expect(try reader.styleEmbedding(contentHash: .max, modelFingerprint: 1) == embedding)
    #expect(try reader.styleEmbedding(contentHash: 2, modelFingerprint: 1) == [-0.5, .infinity])
    #expect(try reader.styleEmbedding(contentHash: .max, modelFingerprint: 2) == nil)
  }

  @Test("replaces the styles of a bank")
  func styleBanks() throws {
    func bank(_ name: String, _ hashes: [UInt64]) -> StyleBankRecord {
      StyleBankRecord(name: name, styles: hashes.map { .init(path: [UInt8(truncatingIfNeeded: $0)], contentHash: $0) })
    }
    let index = try BatchIndex(path: folder.index)
    index.record(bank("paintings", [1, 2, 3]))
    index.record(bank("textures", [4]))
    index.record(bank("paintings", [.max, 2]))
    index.flush()
    #expect(
      try BatchIndexReader(path: folder.index).styleBanks() == [bank("paintings", [.max, 2]), bank("textures", [4])])
  }

  @Test("gives the throughput of the latest intervals")
  func throughput() throws {
    func interval(_ number: Int) -> ThroughputRecord {
      ThroughputRecord(
        startedAt: moment(number), rank: number % 2, duration: .seconds(10), images: 256 * number,
        ringFull: .milliseconds(number), starved: .microseconds(number))
    }
    let index = try BatchIndex(path: folder.index)
    for number in 0..<5 { index.record(interval(number)) }
    index.flush()
    #expect(try BatchIndexReader(path: folder.index).throughput(limit: 3) == [4, 3, 2].map(interval))
  }

  @Test("drops the oldest records where more wait than there is room for, and counts them")
  func dropping() throws {
    let index = try BatchIndex(path: folder.index, windowBatches: 1000, capacity: 16)
    let blocker = try DatabaseConnection(path: folder.index, mode: .readWrite)
    try blocker.execute("BEGIN IMMEDIATE")
    for number in 0..<UInt64(100) { index.record(batch(number)) }
    index.flush()
    let health = index.health
    #expect(health.degradedBy?.resultCode.primary == .busy)
    #expect(health.degradedSince != nil)
    #expect(health.waitingRecords <= 16 && health.waitingRecords >= 8)
    #expect(health.waitingRecords + health.droppedRecords == 100)

    try blocker.execute("ROLLBACK")
    index.flush()
    #expect(index.health.degradedBy == nil)
    #expect(index.health.writtenRecords + index.health.droppedRecords == 100)
    let kept = try BatchIndexReader(path: folder.index).latestBatches(limit: 100).map(\.number)
    #expect(kept == (UInt64(100 - health.waitingRecords)..<100).reversed())
  }

  @Test("keeps where runs begin and end, whatever else is dropped")
  func droppingNoRun() throws {
    let index = try BatchIndex(path: folder.index, windowBatches: 1000, capacity: 16)
    let blocker = try DatabaseConnection(path: folder.index, mode: .readWrite)
    try blocker.execute("BEGIN IMMEDIATE")
    let run = InstanceRecord(
      identifier: "one", processID: 11, startedAt: moment(1), configurationFingerprint: 5, facts: ["seed": "1"])
    index.record(run)
    for number in 0..<UInt64(100) { index.record(batch(number)) }
    index.recordStop(ofInstance: "one", at: moment(2), facts: ["next": "100"])
    for number in 100..<UInt64(200) { index.record(batch(number)) }
    #expect(index.health.waitingRecords <= 16)
    try blocker.execute("ROLLBACK")
    index.flush()
    var expected = run
    expected.stoppedAt = moment(2)
    expected.facts["next"] = "100"
    #expect(try BatchIndexReader(path: folder.index).instances() == [expected])
  }

  @Test("lets fewer records wait where they are large")
  func droppingLargeBatches() throws {
    let index = try BatchIndex(
      path: folder.index, windowBatches: 1000, capacity: 4096, byteCapacity: 1 << 20, whenHalfWritten: {})
    let blocker = try DatabaseConnection(path: folder.index, mode: .readWrite)
    try blocker.execute("BEGIN IMMEDIATE")
    // Each sample has 32 bytes, an array of two styles beside it, and eight bytes of columns.
    let least = 4096 * (MemoryLayout<DrawnSample>.stride + 2 * MemoryLayout<DrawnStyle>.stride + 8)
    for number in 0..<UInt64(20) { index.record(batch(number, samples: 4096)) }
    index.flush()
    let health = index.health
    #expect(health.waitingRecords >= 1 && health.waitingRecords * least <= 1 << 20)
    #expect(health.waitingRecords + health.droppedRecords == 20)
    try blocker.execute("ROLLBACK")
    index.flush()
    let kept = try BatchIndexReader(path: folder.index).latestBatches(limit: 100).map(\.number)
    #expect(kept == (UInt64(20 - health.waitingRecords)..<20).reversed())
  }

  @Test("writes by itself, without being told to")
  func writesByItself() async throws {
    let index = try BatchIndex(path: folder.index)
    index.record(batch(1))
    // Waits for what must happen, for as long as it takes.
    while index.health.writtenRecords == 0 { await Task.yield() }
    #expect(try BatchIndexReader(path: folder.index).batch(1) != nil)
  }

  @Test("takes records from many threads at once")
  func threads() async throws {
    let index = try BatchIndex(path: folder.index, windowBatches: 10_000)
    await withTaskGroup { group in
      for rank in 0..<8 {
        group.addTask {
          for number in 0..<UInt64(50) { index.record(batch(number, rank: rank)) }
        }
      }
    }
    index.flush()
    let reader = try BatchIndexReader(path: folder.index)
    for rank in 0..<8 {
      // Each thread's records arrive in its own order.
      #expect(try reader.latestBatches(limit: 100, rank: rank).map(\.number) == (0..<50).reversed())
    }
  }

  @Test("writes what waits when it is closed, and nothing after that")
  func closing() throws {
    let index = try BatchIndex(path: folder.index)
    index.record(batch(1))
    index.close()
    index.record(batch(2))
    index.flush()
    let reader = try BatchIndexReader(path: folder.index)
    #expect(try reader.latestBatches(limit: 10).map(\.number) == [1])
  }

  @Test("continues the index of an earlier run")
  func reopening() throws {
    for number in 0..<UInt64(3) {
      let index = try BatchIndex(path: folder.index)
      index.record(batch(number))
      index.close()
      #expect(index.health.rebuilds == 0)
    }
    #expect(try BatchIndexReader(path: folder.index).latestBatches(limit: 10).map(\.number) == [2, 1, 0])
  }

  @Test("makes the directory that it is to live in")
  func directory() throws {
    let path = folder.path + "/some/where/index.sqlite"
    let index = try BatchIndex(path: path)
    index.record(batch(1))
    index.close()
    #expect(try BatchIndexReader(path: path).batch(1) != nil)
  }
}
