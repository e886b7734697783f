import FoundationEssentials
import Glibc

/// One thing that waits to be written, and how it is written.
enum IndexRecord: Sendable {
  case instance(InstanceRecord)
  case instanceStopped(identifier: String, at: Date, facts: [String: String])
  case batch(BatchRecord)
  case batchConsumed(number: UInt64, rank: Int, at: Date)
  case quarantine(QuarantinedFile)
  case throughput(ThroughputRecord)
  case styleBank(StyleBankRecord)
  case styleEmbedding(StyleEmbeddingRecord)

  /// Whether it may be dropped where there is no room for it.
  var isExpendable: Bool {
    switch self {
    case .instance, .instanceStopped: false
    default: true
    }
  }

  /// About how much memory it takes, in bytes.
  var bytes: Int {
    guard case .batch(let batch) = self else { return 256 }
    // Each sample has an array of its own, of one length in all of them.
    let styles = 32 + (batch.samples.first?.styles.count ?? 0) * MemoryLayout<DrawnStyle>.stride
    return 256 + batch.samples.count * (MemoryLayout<DrawnSample>.stride + styles)
      + batch.drawn.reduce(0) { $0 + 128 + $1.bytes.count }
  }

  /// Writes the record inside an open transaction.
  func write(to database: DatabaseConnection) throws(DatabaseError) {
    switch self {
    case .instance(let instance):
      try database.run(
        "INSERT OR REPLACE INTO instance VALUES (NULL, ?, ?, ?, ?, ?)",
        [
          .text(instance.identifier), .integer(Int64(instance.processID)), .integer(instance.startedAt.microseconds),
          .optional(instance.stoppedAt?.microseconds), .bits(instance.configurationFingerprint),
        ])
      try write(instance.facts, of: instance.identifier, to: database)
    case .instanceStopped(let identifier, let date, let facts):
      try database.run(
        "UPDATE instance SET stopped_at_us = ? WHERE identifier = ?", [.integer(date.microseconds), .text(identifier)])
      try write(facts, of: identifier, to: database)
    case .batch(let batch):
      try write(batch, to: database)
    case .batchConsumed(let number, let rank, let date):
      try database.run(
        "UPDATE batch SET consumed_at_us = ? WHERE number = ? AND rank = ?",
        [.integer(date.microseconds), .bits(number), .integer(Int64(rank))])
    case .quarantine(let file):
      try database.run(
        """
        INSERT INTO quarantine VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (path) DO UPDATE SET
        sample_id = excluded.sample_id, reason = excluded.reason, last_seen_us = excluded.last_seen_us,
        count = count + excluded.count
        """,
        [
          .blob(file.path), .integer(file.sampleID), .text(file.reason), .integer(file.firstSeen.microseconds),
          .integer(file.lastSeen.microseconds), .integer(Int64(file.count)),
        ])
    case .throughput(let interval):
      try database.run(
        "INSERT INTO throughput VALUES (NULL, ?, ?, ?, ?, ?, ?)",
        [
          .integer(interval.startedAt.microseconds), .integer(Int64(interval.rank)),
          .integer(interval.duration.microseconds), .integer(Int64(interval.images)),
          .integer(interval.ringFull.microseconds), .integer(interval.starved.microseconds),
        ])
    case .styleBank(let bank):
      try database.run("DELETE FROM style WHERE bank = ?", [.text(bank.name)])
      for (number, style) in bank.styles.enumerated() {
        try database.run(
          "INSERT INTO style VALUES (?, ?, ?, ?)",
          [.text(bank.name), .integer(Int64(number)), .blob(style.path), .bits(style.contentHash)])
      }
    case .styleEmbedding(let record):
      try database.run(
        "INSERT OR REPLACE INTO style_embedding VALUES (?, ?, ?)",
        [
          .bits(record.contentHash), .bits(record.modelFingerprint),
          .blob(record.embedding.flatMap { Self.bytes(of: $0) }),
        ])
    }
  }

  private func write(
    _ facts: [String: String], of instance: String, to database: DatabaseConnection
  ) throws(DatabaseError) {
    for (name, value) in facts {
      try database.run(
        "INSERT OR REPLACE INTO fact SELECT id, ?, ? FROM instance WHERE identifier = ?",
        [.text(name), .text(value), .text(instance)])
    }
  }

  private func write(_ batch: BatchRecord, to database: DatabaseConnection) throws(DatabaseError) {
    let stages = batch.stages
    // A batch that is made again after a seek or a restart replaces its record, samples and all.
    try database.run(
      "INSERT OR REPLACE INTO batch VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      [
        .bits(batch.number), .integer(Int64(batch.rank)), .bits(batch.epoch), .integer(Int64(batch.step)),
        .integer(Int64(batch.slot)), .integer(batch.madeAt.microseconds), .optional(batch.consumedAt?.microseconds),
        .integer(stages.wait.microseconds), .integer(stages.decode.microseconds), .integer(stages.crop.microseconds),
        .integer(stages.style.microseconds), .integer(stages.augment.microseconds),
        .integer(stages.write.microseconds),
      ])
    let identifier = try database.integer("SELECT last_insert_rowid()")
    try write(batch.drawn, ofBatch: identifier, to: database)
    for (position, sample) in batch.samples.enumerated() {
      try database.run(
        "INSERT INTO sample VALUES (?, ?, ?, ?)",
        [
          .integer(identifier), .integer(Int64(position)), .integer(sample.sampleID),
          .optional(sample.replacedSampleID),
        ])
      for style in sample.styles {
        try database.run(
          "INSERT INTO style_draw VALUES (?, ?, ?, ?, ?, ?, ?)",
          [
            .integer(identifier), .integer(Int64(position)), .integer(Int64(style.view)), .integer(style.styleID),
            .flag(style.isStyled), .real(Double(style.alpha)), .real(Double(style.beta)),
          ])
      }
    }
  }

  private func write(
    _ drawn: [DrawnNumbers], ofBatch identifier: Int64, to database: DatabaseConnection
  ) throws(DatabaseError) {
    for (ordinal, column) in drawn.enumerated() {
      try database.run(
        "INSERT INTO drawn_column VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
          .integer(identifier), .integer(Int64(ordinal)), .integer(Int64(column.view)), .text(column.name),
          .text(column.type), .optional(column.length.map { Int64($0) }), .blob(column.bytes),
        ])
    }
  }

  /// A number as four bytes, the lowest first.
  private static func bytes(of value: Float) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * UInt32($0))) }
  }
}
