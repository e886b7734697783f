import BatchIndex
import BatchRing
import Configuration
import Pipeline

/// Where the readers of a stream stand, kept in the index when the daemon stops: a stop removes the rings, which know it otherwise.
///
/// Without the index, nothing but this convenience is lost: the next daemon's first batch is then number 0, until a reader asks for
/// another.
struct ReaderPlaces {
  private let facts: [String: String]
  private let stream: String

  /// The places that were left when the last run of the service stopped in good order.
  init(lastOf reader: BatchIndexReader?, fingerprint: [UInt8], batch: ServiceConfiguration.Batch) {
    let instance = (try? reader?.instances(limit: 1))?.first
    facts = instance?.stoppedAt == nil ? [:] : instance?.facts ?? [:]
    stream = Self.mark(fingerprint: fingerprint, batch: batch)
  }

  /// The batch that the reader of `rank` would have read next; `nil` where that is not known, or of another stream.
  func nextBatch(ofRank rank: Int) -> UInt64? {
    guard let parts = facts[Self.name(rank)]?.split(separator: " ", maxSplits: 1), parts.count == 2, parts[1] == stream
    else { return nil }
    return UInt64(parts[0])
  }

  /// What the index is told of the places in `lanes`.
  static func facts(
    of lanes: [StreamPipeline.Lane], fingerprint: [UInt8], batch: ServiceConfiguration.Batch
  ) -> [String: String] {
    let stream = mark(fingerprint: fingerprint, batch: batch)
    return Dictionary(
      uniqueKeysWithValues: lanes.map { (name($0.schedule.rank), "\($0.ring.counters.readerNext) \(stream)") })
  }

  private static func name(_ rank: Int) -> String { "reader_next.\(rank)" }

  /// Numbers count the same batches only where this is the same.
  private static func mark(fingerprint: [UInt8], batch: ServiceConfiguration.Batch) -> String {
    fingerprint.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() + " \(batch.size) \(batch.worldSize)"
  }
}
