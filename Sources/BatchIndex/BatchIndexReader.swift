import CSQLite
import FoundationEssentials
import Glibc

/// Reads the index, also while the service writes it and after the service has died.
///
/// A reader sees everything that was written before each of its calls. Use it on one thread at a time. For example:
///
/// ```swift
/// let reader = try BatchIndexReader(path: "/var/lib/sassl/imagenet/index.sqlite")
/// for file in try reader.quarantinedFiles(limit: 20) {
///   print(file.reason, file.count)
/// }
/// ```
package final class BatchIndexReader {
  private let database: DatabaseConnection

  /// Opens the index at `path` for reading.
  ///
  /// - Throws: `DatabaseError`; its result code is `.cannotOpen` where there is no index, `.notADatabase` where the file
  ///   is something else, and `.schemaVersion` where another version of this program wrote it.
  package init(path: String) throws(DatabaseError) {
    database = try Self.open(path)
    switch try Schema.content(of: database) {
    case .index: break
    case .indexOfVersion(let version):
      throw DatabaseError(
        resultCode: .schemaVersion,
        message: "the index has schema version \(version), and this program reads version \(Schema.version)",
        path: path)
    case .empty, .foreign:
      throw DatabaseError(resultCode: .notADatabase, message: "this is no index of this program", path: path)
    }
  }

  private static func open(_ path: String) throws(DatabaseError) -> DatabaseConnection {
    let database = try DatabaseConnection(path: path, mode: .readOnly)
    do {
      // The first statement takes the locks, and needs the files beside the database.
      _ = try database.integer("PRAGMA user_version")
      return database
    } catch {
      // In a directory that this user cannot write, SQLite cannot make those files. Where the service has closed the
      // index there is no log, and so nobody writes: then the file alone is all there is to read.
      var log = stat()
      let hasLog = stat(path + "-wal", &log) == 0 && log.st_size > 0
      let isMissingFiles = [.cannotOpen, .readOnly].contains(error.resultCode.primary)
      guard isMissingFiles, !hasLog else { throw error }
      return try DatabaseConnection(path: path, mode: .immutable)
    }
  }

  /// The runs of the service, the latest first.
  package func instances(limit: Int = 10) throws(DatabaseError) -> [InstanceRecord] {
    var instances: [InstanceRecord] = []
    let rows = try rows(
      """
      SELECT id, identifier, process_id, started_at_us, stopped_at_us, configuration_fingerprint
      FROM instance ORDER BY id DESC LIMIT ?
      """, .integer(Int64(limit)))
    for row in rows {
      var facts: [String: String] = [:]
      for fact in try self.rows("SELECT name, value FROM fact WHERE instance_id = ?", .integer(row.integer(0))) {
        facts[fact.text(0)] = fact.text(1)
      }
      var instance = InstanceRecord(
        identifier: row.text(1), processID: Int32(truncatingIfNeeded: row.integer(2)),
        startedAt: Date(microseconds: row.integer(3)), configurationFingerprint: UInt64(bitPattern: row.integer(5)),
        facts: facts)
      instance.stoppedAt = row.optionalInteger(4).map { Date(microseconds: $0) }
      instances.append(instance)
    }
    return instances
  }

  /// One batch with its samples, or nil where it is not (or no longer) in the index.
  package func batch(_ number: UInt64, rank: Int = 0) throws(DatabaseError) -> BatchRecord? {
    try batches("WHERE number = ? AND rank = ?", .bits(number), .integer(Int64(rank))).first
  }

  /// The batches made last, the latest first.
  ///
  /// - Parameter withDraws: whether with their samples and what was drawn for them, which are many rows.
  package func latestBatches(
    limit: Int, rank: Int = 0, withDraws: Bool = true
  ) throws(DatabaseError) -> [BatchRecord] {
    try batches(
      "WHERE rank = ? ORDER BY id DESC LIMIT ?", .integer(Int64(rank)), .integer(Int64(limit)), withDraws: withDraws)
  }

  /// Which batch of a rank was made last, and when; `nil` where there is none.
  package func latestBatch(ofRank rank: Int) throws(DatabaseError) -> (number: UInt64, madeAt: Date)? {
    try rows("SELECT number, made_at_us FROM batch WHERE rank = ? ORDER BY id DESC LIMIT 1", .integer(Int64(rank)))
      .first.map { (UInt64(bitPattern: $0.integer(0)), Date(microseconds: $0.integer(1))) }
  }

  private func batches(
    _ condition: String, _ arguments: DatabaseValue..., withDraws: Bool = true
  ) throws(DatabaseError) -> [BatchRecord] {
    var batches: [BatchRecord] = []
    let rows = try database.rows(
      """
      SELECT id, number, rank, epoch, step, slot, made_at_us, consumed_at_us,
      wait_us, decode_us, crop_us, style_us, augment_us, write_us FROM batch \(condition)
      """, arguments
    ).map { Row(values: $0) }
    for row in rows {
      let samples = withDraws ? try samples(ofBatch: row.integer(0)) : []
      let drawn = withDraws ? try drawn(forBatch: row.integer(0)) : []
      var batch = BatchRecord(
        number: UInt64(bitPattern: row.integer(1)), rank: Int(row.integer(2)),
        epoch: UInt64(bitPattern: row.integer(3)), step: Int(row.integer(4)), slot: Int(row.integer(5)),
        madeAt: Date(microseconds: row.integer(6)),
        stages: StageDurations(
          wait: row.duration(8), decode: row.duration(9), crop: row.duration(10), style: row.duration(11),
          augment: row.duration(12), write: row.duration(13)),
        samples: samples, drawn: drawn)
      batch.consumedAt = row.optionalInteger(7).map { Date(microseconds: $0) }
      batches.append(batch)
    }
    return batches
  }

  private func samples(ofBatch identifier: Int64) throws(DatabaseError) -> [DrawnSample] {
    let samples = try rows(
      "SELECT position, sample_id, replaced_sample_id FROM sample WHERE batch_id = ? ORDER BY position",
      .integer(identifier))
    var styles: [Int64: [DrawnStyle]] = [:]
    let draws = try rows(
      """
      SELECT position, view, style_id, is_styled, alpha, beta FROM style_draw WHERE batch_id = ? ORDER BY position, view
      """, .integer(identifier))
    for draw in draws {
      styles[draw.integer(0), default: []].append(
        DrawnStyle(
          view: Int(draw.integer(1)), styleID: draw.integer(2), isStyled: draw.integer(3) != 0,
          alpha: Float(draw.real(4)), beta: Float(draw.real(5))))
    }
    return samples.map { sample in
      DrawnSample(
        sampleID: sample.integer(1), replacedSampleID: sample.optionalInteger(2),
        styles: styles[sample.integer(0)] ?? [])
    }
  }

  private func drawn(forBatch identifier: Int64) throws(DatabaseError) -> [DrawnNumbers] {
    try rows(
      "SELECT view, name, type, length, numbers FROM drawn_column WHERE batch_id = ? ORDER BY ordinal",
      .integer(identifier)
    ).map { row in
      DrawnNumbers(
        view: Int(row.integer(0)), name: row.text(1), type: row.text(2), length: row.optionalInteger(3).map { Int($0) },
        bytes: row.blob(4))
    }
  }

  /// How many files could not be used.
  package func quarantinedFileCount() throws(DatabaseError) -> Int {
    Int(try database.integer("SELECT count(*) FROM quarantine"))
  }

  /// The files that could not be used, those met last first.
  package func quarantinedFiles(limit: Int) throws(DatabaseError) -> [QuarantinedFile] {
    try rows(
      """
      SELECT path, sample_id, reason, first_seen_us, last_seen_us, count
      FROM quarantine ORDER BY last_seen_us DESC, path LIMIT ?
      """, .integer(Int64(limit))
    ).map { row in
      var file = QuarantinedFile(
        path: row.blob(0), sampleID: row.integer(1), reason: row.text(2), seenAt: Date(microseconds: row.integer(3)))
      file.lastSeen = Date(microseconds: row.integer(4))
      file.count = Int(row.integer(5))
      return file
    }
  }

  /// The banks of styles, by name.
  package func styleBanks() throws(DatabaseError) -> [StyleBankRecord] {
    var banks: [StyleBankRecord] = []
    for row in try rows("SELECT bank, path, content_hash FROM style ORDER BY bank, number") {
      if banks.last?.name != row.text(0) {
        banks.append(StyleBankRecord(name: row.text(0), styles: []))
      }
      banks[banks.count - 1].styles.append(
        .init(path: row.blob(1), contentHash: UInt64(bitPattern: row.integer(2))))
    }
    return banks
  }

  /// The embedding of a style image, or nil where it has not been computed yet.
  package func styleEmbedding(contentHash: UInt64, modelFingerprint: UInt64) throws(DatabaseError) -> [Float]? {
    try rows(
      "SELECT embedding FROM style_embedding WHERE content_hash = ? AND model_fingerprint = ?",
      .bits(contentHash), .bits(modelFingerprint)
    ).first.map { row in
      let bytes = row.blob(0)
      return (0..<bytes.count / 4).map { index in
        let bits = bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self) }
        return Float(bitPattern: UInt32(littleEndian: bits))
      }
    }
  }

  /// What happened in the latest intervals, the latest first.
  package func throughput(limit: Int) throws(DatabaseError) -> [ThroughputRecord] {
    try rows(
      """
      SELECT started_at_us, rank, duration_us, images, ring_full_us, starved_us
      FROM throughput ORDER BY id DESC LIMIT ?
      """, .integer(Int64(limit))
    ).map { row in
      ThroughputRecord(
        startedAt: Date(microseconds: row.integer(0)), rank: Int(row.integer(1)), duration: row.duration(2),
        images: Int(row.integer(3)), ringFull: row.duration(4), starved: row.duration(5))
    }
  }

  func rows(_ sql: String, _ arguments: DatabaseValue...) throws(DatabaseError) -> [Row] {
    try database.rows(sql, arguments).map { Row(values: $0) }
  }
}

/// One row of a result; a column that is not of the type asked for reads as its zero.
struct Row {
  let values: [DatabaseValue]

  func integer(_ column: Int) -> Int64 {
    optionalInteger(column) ?? 0
  }

  func optionalInteger(_ column: Int) -> Int64? {
    if case .integer(let value) = values[column] { value } else { nil }
  }

  func real(_ column: Int) -> Double {
    if case .real(let value) = values[column] { value } else { 0 }
  }

  func text(_ column: Int) -> String {
    if case .text(let value) = values[column] { value } else { "" }
  }

  func blob(_ column: Int) -> [UInt8] {
    if case .blob(let value) = values[column] { value } else { [] }
  }

  func duration(_ column: Int) -> Duration {
    .microseconds(integer(column))
  }
}
