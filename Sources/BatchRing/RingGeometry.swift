import CSASSLRing

/// Everything about a ring that does not change during the life of its producer.
package struct RingGeometry: Sendable, Hashable {
  /// Name of the ring.
  package let name: String
  /// 16 random bytes, new for each producer.
  package let instance: [UInt8]
  /// 32 bytes that stand for the configuration: equal fingerprints make equal streams.
  package let fingerprint: [UInt8]
  /// Batches that fit the ring.
  package let slotCount: Int
  /// Samples in a full batch of this rank.
  package let batchSize: Int
  /// Rank of the reader.
  package let rank: Int
  /// Readers of the stream.
  package let worldSize: Int
  /// Batches in an epoch, 0 where the producer did not say.
  package let batchesPerEpoch: UInt64
  /// Arrays of a batch.
  package let fields: [RingField]
  /// Offset of each of `fields` within a payload, bytes.
  package let fieldOffsets: [Int]
  /// Bytes of one batch.
  package let payloadBytes: Int
  /// Bytes of shared memory in all.
  package let segmentBytes: UInt64
  /// Process that filled or fills the ring.
  package let producerProcess: Int
  /// Start of that process, clock ticks since boot.
  package let producerStartTicks: UInt64
  /// What the producer's networks run on.
  package let cpuPath: RingCPUPath
  /// Wall clock at creation, nanoseconds since 1970.
  package let createdUnixNanoseconds: UInt64
  /// CLOCK_MONOTONIC at creation, nanoseconds.
  package let createdNanoseconds: UInt64

  init(_ geometry: sassl_ring_geometry, fields table: UnsafePointer<sassl_ring_field>) {
    name = string(fromTuple: geometry.name)
    instance = bytes(ofTuple: geometry.instance)
    fingerprint = bytes(ofTuple: geometry.fingerprint)
    slotCount = Int(geometry.slot_count)
    batchSize = Int(geometry.batch_size)
    rank = Int(geometry.rank)
    worldSize = Int(geometry.world_size)
    batchesPerEpoch = geometry.batches_per_epoch
    let entries = UnsafeBufferPointer(start: table, count: Int(geometry.field_count))
    fields = entries.map(RingField.init)
    fieldOffsets = entries.map { Int($0.offset) }
    payloadBytes = Int(geometry.payload_bytes)
    segmentBytes = geometry.file_bytes
    producerProcess = Int(geometry.producer_pid)
    producerStartTicks = geometry.producer_start_ticks
    cpuPath = RingCPUPath(rawValue: geometry.cpu_path) ?? .any
    createdUnixNanoseconds = geometry.created_unix_ns
    createdNanoseconds = geometry.created_ns
  }

  /// The bytes of the array called `name` in `payload`, or nil where the ring has no such array.
  func range(of name: String) -> Range<Int>? {
    guard let index = fields.firstIndex(where: { $0.name == name }) else { return nil }
    return fieldOffsets[index]..<fieldOffsets[index] + fields[index].byteCount
  }
}
