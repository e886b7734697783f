import FoundationEssentials
import Glibc

/// The database behind a `BatchIndex`: opens it, writes to it, and makes it anew where it was deleted or damaged.
struct IndexWriter {
  /// How often the database was made anew because it was deleted or damaged.
  private(set) var rebuilds = 0
  /// When the database is next checked for damage.
  var nextCheck = ContinuousClock.now + IndexWriter.checkInterval

  private let path: String
  private let windowBatches: Int
  /// The most bytes that the write-ahead log may have before nothing is added to it any more.
  private let logLimit: Int
  /// Called in the middle of every transaction, so that a crash there can be provoked.
  private let whenHalfWritten: @Sendable () -> Void
  private var database: DatabaseConnection?
  /// The files that `database` has open, to notice when their names lead elsewhere.
  private var files: [FileIdentity?] = []
  private var retained = RetainedRecords()

  /// Reading the whole file takes a fraction of a second. Without it, SQLite's cache could hide for days that the file
  /// has been overwritten.
  private static let checkInterval = Duration.seconds(60)
  /// Months of intervals, in a few megabytes.
  private static let throughputWindow = 200_000
  /// Runs of the service that are remembered.
  private static let instanceWindow = 1000

  /// A writer that has opened nothing yet.
  init(path: String, windowBatches: Int, logLimit: Int, whenHalfWritten: @escaping @Sendable () -> Void) {
    self.path = path
    self.windowBatches = windowBatches
    self.logLimit = logLimit
    self.whenHalfWritten = whenHalfWritten
  }

  /// Writes records in one transaction; a database that turns out to be damaged is made anew first.
  mutating func write(_ records: [IndexRecord]) throws(DatabaseError) {
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
    for record in records { retained.add(record) }
  }

  private mutating func writeOnce(_ records: [IndexRecord]) throws(DatabaseError) {
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
  mutating func open() throws(DatabaseError) {
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
      rebuilds += 1
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
  private mutating func closeIfReplaced() {
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

  /// Closes the database; writing opens it again.
  mutating func close() { database = nil }
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
