import Basics
import Dispatch
import FoundationEssentials
import Glibc

/// The one writer of the index: what the service did, for whoever wants to know.
///
/// Recording never waits for the disk: records go into a bounded buffer and are written in batches by a queue of the
/// index's own. Where they cannot be written (disk full, file locked) they are kept as long as there is room, then
/// dropped, the oldest first, and counted; `health` says why. A database that was deleted or damaged is made anew.
/// The stream does not depend on the index, and deleting it is safe at any time. For example:
///
/// ```swift
/// let index = try BatchIndex(path: "/var/lib/sassl/imagenet/index.sqlite", windowBatches: 1000)
/// index.record(batch)
/// index.recordConsumption(ofBatch: batch.number, rank: batch.rank, at: .now)
/// index.close()
/// ```
package final class BatchIndex: @unchecked Sendable {
  // Sendable by hand: what waits and what is counted is guarded by `lock`; the database belongs to `queue`.

  /// The database file.
  package let path: String
  /// How many of the latest batches per rank are kept.
  package let windowBatches: Int

  /// How many records may wait.
  private let capacity: Int
  /// The most bytes that the write-ahead log may have before nothing is added to it any more.
  private let logLimit: Int
  /// Called in the middle of every transaction, so that a crash there can be rehearsed.
  private let whenHalfWritten: @Sendable () -> Void
  private let queue = DispatchQueue(label: "sassl.index", qos: .utility)

  private let lock = Lock()
  private var waiting: [IndexRecord] = []
  /// Records that are being written at the moment.
  private var inFlight = 0
  private var current = IndexHealth()
  private var isScheduled = false
  private var isClosed = false

  private var database: DatabaseConnection?
  /// The files that `database` has open, to notice when their names lead elsewhere.
  private var files: [FileIdentity?] = []
  private var retained = RetainedRecords()
  /// When the database is next checked for damage.
  private var nextCheck = ContinuousClock.now + BatchIndex.checkInterval

  /// Records are written this long after the first of them came in, so that a transaction holds many.
  private static let batchingInterval = DispatchTimeInterval.milliseconds(200)
  /// The pause between attempts while nothing can be written.
  private static let retryInterval = DispatchTimeInterval.seconds(2)
  /// Reading the whole file takes a fraction of a second. Without it, SQLite's cache could hide for days that the file
  /// has been overwritten.
  private static let checkInterval = Duration.seconds(60)
  /// The log is emptied into the database again and again, but for the part that another process's transaction still reads. A
  /// program that reads for hours would let it grow until the disk is full.
  package static let standardLogLimit = 64 << 20
  /// Months of intervals, in a few megabytes.
  private static let throughputWindow = 200_000
  /// Runs of the service that are remembered.
  private static let instanceWindow = 1000

  /// Opens the index at `path`, making it and its directory where they are missing.
  ///
  /// - Parameters:
  ///   - path: the database file; two more files appear beside it, with `-wal` and `-shm` after its name.
  ///   - windowBatches: how many of the latest batches per rank are kept, with all their samples.
  ///   - capacity: how many records may wait to be written before the oldest are dropped.
  /// - Throws: `DatabaseError` where this user cannot create or write the file, or where it is another program's
  ///   database. Trouble that may pass, like a full disk, leaves the index degraded instead.
  package convenience init(path: String, windowBatches: Int = 1000, capacity: Int = 4096) throws(DatabaseError) {
    try self.init(path: path, windowBatches: windowBatches, capacity: capacity, whenHalfWritten: {})
  }

  package init(
    path: String, windowBatches: Int, capacity: Int = 4096, logLimit: Int = standardLogLimit,
    whenHalfWritten: @escaping @Sendable () -> Void
  ) throws(DatabaseError) {
    self.path = path
    self.windowBatches = windowBatches
    self.capacity = capacity
    self.logLimit = logLimit
    self.whenHalfWritten = whenHalfWritten
    do {
      try open()
    } catch {
      switch error.resultCode.primary {
      case .cannotOpen, .permission, .readOnly: throw error
      default: degrade(by: error)
      }
    }
  }

  /// Whether the index keeps up, and what it lost where it did not.
  package var health: IndexHealth {
    lock.withLock {
      var health = current
      health.waitingRecords = waiting.count + inFlight
      return health
    }
  }

  /// Writes all that waits, if it can be written now, and checks the database for damage.
  ///
  /// It waits for the disk: not for the hot path.
  package func flush() {
    queue.sync {
      nextCheck = .now
      writeWaiting()
    }
  }

  /// Writes all that waits and closes the database; what is recorded afterwards is lost.
  package func close() {
    queue.sync {
      lock.withLock { isClosed = true }
      writeWaiting()
      database = nil
    }
  }
}

// MARK: - Recording

extension BatchIndex {
  /// Records the start of an instance of the service.
  package func record(_ instance: InstanceRecord) {
    enqueue(.instance(instance))
  }

  /// Records that an instance has stopped in good order, with what else is worth knowing then, by name.
  package func recordStop(ofInstance identifier: String, at date: Date, facts: [String: String] = [:]) {
    enqueue(.instanceStopped(identifier: identifier, at: date, facts: facts))
  }

  /// Records a batch that has been published, in place of any earlier one with its number and rank.
  package func record(_ batch: BatchRecord) {
    enqueue(.batch(batch))
  }

  /// Records that the reader has released a batch.
  package func recordConsumption(ofBatch number: UInt64, rank: Int, at date: Date) {
    enqueue(.batchConsumed(number: number, rank: rank, at: date))
  }

  /// Records a file that could not be used; it is counted where it is already known.
  package func record(_ file: QuarantinedFile) {
    enqueue(.quarantine(file))
  }

  /// Records what happened in one interval.
  package func record(_ interval: ThroughputRecord) {
    enqueue(.throughput(interval))
  }

  /// Records the styles of a bank, in place of those it had.
  package func record(_ bank: StyleBankRecord) {
    enqueue(.styleBank(bank))
  }

  /// Records the embedding of a style image.
  package func record(_ embedding: StyleEmbeddingRecord) {
    enqueue(.styleEmbedding(embedding))
  }

  private func enqueue(_ record: IndexRecord) {
    lock.withLock {
      guard !isClosed else { return }
      waiting.append(record)
      dropOldest()
      schedule(after: current.degradedBy == nil ? Self.batchingInterval : Self.retryInterval)
    }
  }

  /// Drops what there is no room for. The lock is held.
  private func dropOldest() {
    // Dropping an eighth at a time keeps the cost of moving the rest small.
    guard waiting.count > capacity else { return }
    let surplus = min(waiting.count, waiting.count - capacity + capacity / 8)
    waiting.removeFirst(surplus)
    current.droppedRecords += surplus
  }

  /// Makes the queue write later, unless it will anyway. The lock is held.
  private func schedule(after interval: DispatchTimeInterval) {
    guard !isScheduled, !isClosed else { return }
    isScheduled = true
    queue.asyncAfter(deadline: .now() + interval) { [weak self] in
      guard let self else { return }
      lock.withLock { self.isScheduled = false }
      writeWaiting()
    }
  }
}

// MARK: - Writing, on the queue

extension BatchIndex {
  private func writeWaiting() {
    let records = lock.withLock {
      defer { waiting = [] }
      inFlight = waiting.count
      return waiting
    }
    do {
      try write(records)
      for record in records { retained.add(record) }
      lock.withLock {
        inFlight = 0
        current.writtenRecords += records.count
        current.degradedBy = nil
        current.degradedSince = nil
      }
    } catch {
      degrade(by: error)
      lock.withLock {
        inFlight = 0
        waiting = records + waiting
        dropOldest()
        schedule(after: Self.retryInterval)
      }
    }
  }

  /// Writes records in one transaction; a database that turns out to be damaged is made anew first.
  private func write(_ records: [IndexRecord]) throws(DatabaseError) {
    closeIfReplaced()
    do {
      try writeOnce(records)
    } catch {
      switch error.resultCode.primary {
      case .busy, .full, .inputOutput, .outOfMemory, .readOnly, .cannotOpen, .permission: throw error
      default:
        // Damaged, or changed by hand: the file holds nothing that is worth more than a working index.
        database = nil
        removeFiles()
        try writeOnce(records)
      }
    }
  }

  private func writeOnce(_ records: [IndexRecord]) throws(DatabaseError) {
    if database == nil { try open() }
    guard let database else { return }
    if nextCheck <= .now {
      try database.checkForDamage()
      nextCheck = .now + Self.checkInterval
    }
    if records.isEmpty { return }
    try limitLog(of: database)
    try database.transaction { () throws(DatabaseError) in
      for (position, record) in records.enumerated() {
        if position == records.count / 2 { whenHalfWritten() }
        try record.write(to: database)
      }
      try trim(database)
    }
  }

  /// Empties a write-ahead log that has become too long.
  ///
  /// - Throws: `DatabaseError` where a reader keeps it from being emptied; what waits is then written when that one is done.
  private func limitLog(of database: DatabaseConnection) throws(DatabaseError) {
    func size() -> Int {
      var status = stat()
      return stat(path + "-wal", &status) == 0 ? Int(status.st_size) : 0
    }
    guard size() > logLimit else { return }
    _ = try database.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    guard size() > logLimit else { return }
    throw DatabaseError(
      resultCode: .busy,
      message: "a transaction of another process reads the index, and the log cannot be emptied meanwhile",
      path: path)
  }

  /// Deletes what is older than the windows say.
  private func trim(_ database: DatabaseConnection) throws(DatabaseError) {
    for rank in try database.rows("SELECT DISTINCT rank FROM batch") {
      try database.run(
        """
        DELETE FROM batch WHERE rank = ?1 AND id <=
        (SELECT id FROM batch WHERE rank = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)
        """, [rank[0], .integer(Int64(windowBatches))])
    }
    try database.run("DELETE FROM throughput WHERE id <= (SELECT max(id) FROM throughput) - \(Self.throughputWindow)")
    try database.run("DELETE FROM instance WHERE id <= (SELECT max(id) FROM instance) - \(Self.instanceWindow)")
  }

  /// Opens the database, making it and its tables where they are missing or of another version.
  private func open() throws(DatabaseError) {
    let directory = URL(filePath: path).deletingLastPathComponent()
    // Where this fails, opening the file says why.
    try? FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    let content = try contentOfFile()
    if case .indexOfVersion = content { removeFiles() }

    let opened = try DatabaseConnection(path: path, mode: .readWrite)
    // In WAL mode readers and the writer do not wait for each other, also across processes. After a power failure the
    // last transactions may be missing, but the file is sound.
    _ = try opened.rows("PRAGMA journal_mode = WAL")
    _ = try opened.rows("PRAGMA journal_size_limit = 16777216")
    try opened.execute("PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON")
    switch content {
    case .index: break
    default:
      try opened.transaction { () throws(DatabaseError) in
        try Schema.create(in: opened)
        for record in retained.records { try record.write(to: opened) }
      }
      if case .empty = content, files.isEmpty { break }
      lock.withLock { current.rebuilds += 1 }
    }
    database = opened
    files = fileIdentities()
  }

  /// What the file at `path` is, where a damaged one counts as one of another version: it must make way.
  private func contentOfFile() throws(DatabaseError) -> Schema.Content {
    let content: Schema.Content
    do {
      content = try Schema.content(of: DatabaseConnection(path: path, mode: .readWrite))
    } catch  where [.notADatabase, .corrupt].contains(error.resultCode.primary) {
      return .indexOfVersion(0)
    }
    if case .foreign = content {
      throw DatabaseError(
        resultCode: .permission, message: "this is another program's database, and is left alone", path: path)
    }
    return content
  }

  /// Closes the database where its file was deleted or replaced: SQLite would go on writing to what has no name any
  /// more, where no reader would ever find it.
  private func closeIfReplaced() {
    guard database != nil else { return }
    let found = fileIdentities()
    // A write-ahead log that was not there yet is the connection's own.
    if zip(files, found).contains(where: { $0 != nil && $0 != $1 }) {
      // Closing comes first: SQLite tidies away the files beside the database by their names.
      database = nil
      // A log without its database would be taken for the next one's.
      if found[0] == nil { removeFiles() }
    } else {
      files = found
    }
  }

  private func removeFiles() {
    for suffix in DatabaseConnection.fileSuffixes { unlink(path + suffix) }
  }

  private func fileIdentities() -> [FileIdentity?] {
    DatabaseConnection.fileSuffixes.map { FileIdentity(path: path + $0) }
  }

  private func degrade(by error: DatabaseError) {
    lock.withLock {
      if current.degradedBy == nil { current.degradedSince = .now }
      current.degradedBy = error
    }
  }
}

/// Where a file is stored.
private struct FileIdentity: Equatable {
  let device: dev_t
  let inode: ino_t

  /// The identity of the file at `path`, or nil where there is none.
  init?(path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    device = status.st_dev
    inode = status.st_ino
  }
}

/// What a database that is made anew must know again at once: the instance, and the files that are known to be bad.
private struct RetainedRecords {
  private var instance: InstanceRecord?
  private var quarantine: [[UInt8]: QuarantinedFile] = [:]

  /// Beyond this many bad files, an index made anew learns about them as they are met again.
  private static let quarantineLimit = 10_000

  mutating func add(_ record: IndexRecord) {
    switch record {
    case .instance(let new):
      instance = new
    case .instanceStopped(let identifier, let date, let facts) where instance?.identifier == identifier:
      instance?.stoppedAt = date
      instance?.facts.merge(facts) { $1 }
    case .quarantine(let file):
      if let known = quarantine[file.path] {
        quarantine[file.path]!.count = known.count + file.count
        quarantine[file.path]!.lastSeen = file.lastSeen
        quarantine[file.path]!.reason = file.reason
      } else if quarantine.count < Self.quarantineLimit {
        quarantine[file.path] = file
      }
    default: break
    }
  }

  var records: [IndexRecord] {
    (instance.map { [.instance($0)] } ?? []) + quarantine.values.map { .quarantine($0) }
  }
}
