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
package final class BatchIndex: Sendable {
  /// The database file.
  package let path: String
  /// How many of the latest batches per rank are kept.
  package let windowBatches: Int

  private let recording: Mutex<Recording>
  private let writer: QueueConfined<IndexWriter>

  /// What waits to be written, and what is known of how that goes.
  private struct Recording {
    var waiting: WaitingRecords
    /// Records that are being written at the moment.
    var inFlight = 0
    var health = IndexHealth()
    var isScheduled = false
    var isClosed = false

    mutating func degrade(by error: DatabaseError) {
      if health.degradedBy == nil { health.degradedSince = .now }
      health.degradedBy = error
    }
  }

  /// Records are written this long after the first of them came in, so that a transaction holds many.
  private static let batchingInterval = DispatchTimeInterval.milliseconds(200)
  /// The pause between attempts while nothing can be written.
  private static let retryInterval = DispatchTimeInterval.seconds(2)
  /// The log is emptied into the database again and again, but for the part that another process's transaction still reads. A
  /// program that reads for hours would let it grow until the disk is full.
  package static let standardLogLimit = 64 << 20

  /// Opens the index at `path`, making it and its directory where they are missing.
  ///
  /// - Parameters:
  ///   - path: the database file; two more files appear beside it, with `-wal` and `-shm` after its name.
  ///   - windowBatches: how many of the latest batches per rank are kept, with all their samples.
  ///   - capacity: how many records may wait to be written before the oldest are dropped. Of large batches it may be fewer, for all
  ///     that waits has about 16 MiB at most, and once more while it is being written.
  /// - Throws: `DatabaseError` where this user cannot create or write the file, or where it is another program's
  ///   database. Trouble that may pass, like a full disk, leaves the index degraded instead.
  package convenience init(path: String, windowBatches: Int = 1000, capacity: Int = 4096) throws(DatabaseError) {
    try self.init(path: path, windowBatches: windowBatches, capacity: capacity, whenHalfWritten: {})
  }

  package init(
    path: String, windowBatches: Int, capacity: Int = 4096, byteCapacity: Int = 16 << 20,
    logLimit: Int = standardLogLimit, whenHalfWritten: @escaping @Sendable () -> Void
  ) throws(DatabaseError) {
    self.path = path
    self.windowBatches = windowBatches
    recording = Mutex(
      Recording(waiting: WaitingRecords(capacity: WaitingRecords.Capacity(records: capacity, bytes: byteCapacity))))
    writer = QueueConfined(
      IndexWriter(path: path, windowBatches: windowBatches, logLimit: logLimit, whenHalfWritten: whenHalfWritten),
      to: DispatchQueue(label: "sassl.index", qos: .utility))
    do {
      try writer.sync { writer throws(DatabaseError) in try writer.open() }
    } catch {
      switch error.resultCode.primary {
      case .cannotOpen, .permission, .readOnly: throw error
      default: recording.withLock { $0.degrade(by: error) }
      }
    }
    let rebuilds = writer.sync { $0.rebuilds }
    recording.withLock { $0.health.rebuilds = rebuilds }
  }

  /// Whether the index keeps up, and what it lost where it did not.
  package var health: IndexHealth {
    recording.withLock {
      var health = $0.health
      health.waitingRecords = $0.waiting.count + $0.inFlight
      health.droppedRecords = $0.waiting.dropped
      return health
    }
  }

  /// Writes all that waits, if it can be written now, and checks the database for damage.
  ///
  /// It waits for the disk: not for the hot path.
  package func flush() {
    writer.sync {
      $0.nextCheck = .now
      writeWaiting(with: &$0)
    }
  }

  /// Writes all that waits and closes the database; what is recorded afterwards is lost.
  package func close() {
    writer.sync {
      recording.withLock { $0.isClosed = true }
      writeWaiting(with: &$0)
      $0.close()
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
    recording.withLock {
      guard !$0.isClosed else { return }
      $0.waiting.append(record)
      schedule(&$0, after: $0.health.degradedBy == nil ? Self.batchingInterval : Self.retryInterval)
    }
  }

  /// Makes the queue write later, unless it will anyway.
  private func schedule(_ recording: inout Recording, after interval: DispatchTimeInterval) {
    guard !recording.isScheduled, !recording.isClosed else { return }
    recording.isScheduled = true
    writer.async(after: interval) { [weak self] writer in
      guard let self else { return }
      self.recording.withLock { $0.isScheduled = false }
      writeWaiting(with: &writer)
    }
  }

  private func writeWaiting(with writer: inout IndexWriter) {
    let records = recording.withLock { recording in
      recording.inFlight = recording.waiting.count
      return recording.waiting.takeAll()
    }
    var failure: DatabaseError?
    do {
      try writer.write(records)
    } catch {
      failure = error
    }
    let rebuilds = writer.rebuilds
    recording.withLock {
      $0.inFlight = 0
      $0.health.rebuilds = rebuilds
      if let failure {
        $0.degrade(by: failure)
        $0.waiting.putBack(records)
        schedule(&$0, after: Self.retryInterval)
      } else {
        $0.health.writtenRecords += records.count
        $0.health.degradedBy = nil
        $0.health.degradedSince = nil
      }
    }
  }
}
