import CSASSLRing

/// Looks at a ring without taking part: no lock, nothing written. Works on the ring of a dead producer too.
///
/// Unchecked because everything behind it is read-only.
package final class RingObserver: @unchecked Sendable {
  /// A batch that the ring holds.
  package struct Entry: Sendable {
    /// Number in the stream.
    package let number: UInt64
    /// Epoch of the batch.
    package let epoch: UInt64
    /// Position in the epoch.
    package let step: UInt64
    /// Whether the reader has it, or had it when it died.
    package let isLeased: Bool
  }

  /// A batch copied out of the ring.
  package struct Snapshot: Sendable {
    /// Number in the stream.
    package let number: UInt64
    /// Epoch of the batch.
    package let epoch: UInt64
    /// Position in the epoch.
    package let step: UInt64
    /// Samples in it.
    package let count: Int
    /// CRC-32C of the payload, found to match.
    package let checksum: UInt32
    /// CLOCK_MONOTONIC when it was published, nanoseconds.
    package let publishedNanoseconds: UInt64
    /// How long making it took, nanoseconds.
    package let productionNanoseconds: UInt64
    /// All bytes of the batch; `RingGeometry.fieldOffsets` says what is where.
    package let payload: [UInt8]
  }

  /// The ring's layout.
  package let geometry: RingGeometry
  private let handle: OpaquePointer

  /// Opens a ring for looking. Throws `RingError.Kind.absent` when there is no such file.
  package init(at location: RingLocation) throws(RingError) {
    var observer: OpaquePointer?
    let rank = try location.checkedRank()
    _ = try checked { sassl_ring_observer_open(location.directory, location.name, rank, &observer, $0) }
    guard let observer else { throw RingError(kind: .state, description: "the ring was not opened") }
    handle = observer
    geometry = RingGeometry(
      sassl_ring_observer_geometry(observer).pointee, fields: sassl_ring_observer_fields(observer))
  }

  deinit { sassl_ring_observer_close(handle) }

  /// The ring's counters now.
  package var counters: RingCounters {
    var counters = sassl_ring_counters()
    sassl_ring_observer_counters(handle, &counters)
    return RingCounters(counters)
  }

  /// The batches that the ring holds, the oldest first. One that goes back meanwhile is left out, and so may be those from before a seek.
  package var entries: [Entry] {
    let counters = counters
    let held = min(counters.published - counters.released, counters.nextBatch)
    return (counters.nextBatch - held..<counters.nextBatch).compactMap { number in
      var slot = sassl_ring_slot()
      var error = sassl_ring_error()
      guard sassl_ring_observer_read(handle, number, &slot, nil, &error) == SASSL_RING_OK.rawValue else { return nil }
      return Entry(
        number: number, epoch: slot.epoch, step: slot.step, isLeased: slot.sequence < counters.taken)
    }
  }

  /// Copies a published, unreleased batch. Throws `.absent` when the ring does not hold it (any more), `.checksum` when it is damaged.
  package func batch(_ number: UInt64) throws(RingError) -> Snapshot {
    var slot = sassl_ring_slot()
    var payload = [UInt8](repeating: 0, count: geometry.payloadBytes)
    _ = try checked { error in
      payload.withUnsafeMutableBytes { sassl_ring_observer_read(handle, number, &slot, $0.baseAddress, error) }
    }
    return Snapshot(
      number: slot.number, epoch: slot.epoch, step: slot.step, count: Int(slot.count), checksum: slot.checksum,
      publishedNanoseconds: slot.published_ns, productionNanoseconds: slot.production_ns, payload: payload)
  }
}
