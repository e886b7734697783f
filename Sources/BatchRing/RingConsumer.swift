import CSASSLRing
import Synchronization

/// The reading side of a ring, as a trainer uses it. `sassl` for Python stands on the same C library.
///
/// For example:
///
///     let ring = try RingConsumer(at: RingLocation(name: "photos"))
///     while let batch = try ring.next(timeout: .seconds(60)) {
///       train(on: batch["view0"])
///       try ring.release(batch)
///     }
///
/// Unchecked because the C library underneath synchronises itself; one thread calls `next` and `seek`.
package final class RingConsumer: @unchecked Sendable {
  private let isOpen = Atomic(true)
  private let pointer: OpaquePointer
  private let hook: HookBox?

  /// Attaches to a ring.
  ///
  /// - Parameters:
  ///   - location: which ring.
  ///   - start: number of the first batch, or nil to continue at the next unreleased one.
  ///   - verify: check each batch's CRC-32C.
  ///   - attachTimeout: how long to wait for a producer at first.
  ///   - absenceTimeout: how long to wait for a successor when the producer goes.
  ///   - acceptChange: go on with a successor of another configuration.
  /// - Throws: `RingError`; `.absent` when nobody fills the ring, `.busy` when another process reads it.
  package convenience init(
    at location: RingLocation, start: UInt64? = nil, verify: Bool = false, attachTimeout: Duration = .zero,
    absenceTimeout: Duration = .seconds(60), acceptChange: Bool = false
  ) throws(RingError) {
    try self.init(
      at: location, start: start, verify: verify, attachTimeout: attachTimeout, absenceTimeout: absenceTimeout,
      acceptChange: acceptChange, hook: nil)
  }

  package init(
    at location: RingLocation, start: UInt64? = nil, verify: Bool = false, attachTimeout: Duration = .zero,
    absenceTimeout: Duration = .seconds(60), acceptChange: Bool = false, hook: RingProducer.Hook?
  ) throws(RingError) {
    let box = hook.map(HookBox.init)
    var options = sassl_ring_consumer_options()
    options.rank = try location.checkedRank()
    options.verify = verify ? 1 : 0
    options.start = start ?? UInt64.max
    options.attach_timeout_ns = nanoseconds(attachTimeout)
    options.absence_timeout_ns = nanoseconds(absenceTimeout)
    options.accept_change = acceptChange ? 1 : 0
    options.owner_id = -1
    if let box {
      options.hook = callHook
      options.hook_context = Unmanaged.passUnretained(box).toOpaque()
    }
    var consumer: OpaquePointer?
    _ = try checked { error in
      location.directory.withCString { directory in
        location.name.withCString { name in
          options.directory = directory
          options.name = name
          return sassl_ring_consumer_attach(&options, &consumer, error)
        }
      }
    }
    guard let consumer else { throw RingError(kind: .state, description: "the ring was not attached") }
    pointer = consumer
    self.hook = box
  }

  deinit { close() }

  /// Layout of the instance last attached to; changes when `next` moves on to a successor.
  package var geometry: RingGeometry {
    RingGeometry(sassl_ring_consumer_geometry(pointer).pointee, fields: sassl_ring_consumer_fields(pointer))
  }

  /// What determines the stream of the instance last attached to, one `key = value` line each; empty where it does not say.
  package var settings: String { String(cString: sassl_ring_consumer_settings(pointer)) }

  /// Number of the batch that `next` returns next.
  package var position: UInt64 { sassl_ring_consumer_position(pointer) }

  /// The ring's counters now, all zero while there is no producer.
  package var counters: RingCounters {
    var counters = sassl_ring_counters()
    sassl_ring_consumer_counters(pointer, &counters)
    return RingCounters(counters)
  }

  /// Waits for the next batch of the stream, across restarts of the producer; nil when none came in time.
  ///
  /// - Throws: `RingError`; `.absent` when the producer went and no successor came within the absence timeout.
  package func next(timeout: Duration) throws(RingError) -> RingBatch? {
    var lease = sassl_ring_lease()
    let result = try checked { sassl_ring_consumer_next(pointer, nanoseconds(timeout), &lease, $0) }
    return result == 0 ? RingBatch(lease) : nil
  }

  /// Gives a batch back, in any order. Throws `RingError.Kind.state` when it was given back before.
  package func release(_ batch: RingBatch) throws(RingError) {
    _ = try checked { sassl_ring_consumer_release(pointer, batch.lease.identifier, $0) }
  }

  /// Continues with batch `number`.
  package func seek(to number: UInt64) throws(RingError) {
    _ = try checked { sassl_ring_consumer_seek(pointer, number, $0) }
  }

  /// Moves batches that are held to private memory where nothing but them keeps the producer from going on; their payload stays
  /// readable where it is, and they still count as held.
  package func makeRoom() throws(RingError) {
    _ = try checked { sassl_ring_consumer_make_room(pointer, $0) }
  }

  /// Gives the ring up for the next reader. Batches still held stay readable until they are released, in private memory.
  ///
  /// - Parameter countsAsRead: whether they count as read; where they do not, the next reader gets them again.
  /// - Throws: `RingError`; `.system` where memory for them is refused, and the ring is given up when the last one is released.
  package func detach(countsAsRead: Bool) throws(RingError) {
    _ = try checked { sassl_ring_consumer_detach(pointer, countsAsRead ? 1 : 0, $0) }
  }

  /// Detaches. Batches still held count as unread. Calling it again does nothing.
  package func close() {
    if isOpen.exchange(false, ordering: .acquiringAndReleasing) { _ = sassl_ring_consumer_close(pointer) }
  }

  /// Leaves everything as a killed process would.
  package func abandon() {
    if isOpen.exchange(false, ordering: .acquiringAndReleasing) { sassl_ring_consumer_abandon(pointer) }
  }
}

/// A batch in the ring, read in place. Its memory stays mapped while this object lives, and unchanged until it is released.
///
/// Unchecked because the memory is mapped read-only.
package final class RingBatch: @unchecked Sendable {
  let lease: sassl_ring_lease
  /// Layout of the arrays.
  package let geometry: RingGeometry

  init(_ lease: sassl_ring_lease) {
    sassl_ring_mapping_retain(lease.mapping)
    self.lease = lease
    geometry = RingGeometry(
      sassl_ring_mapping_geometry(lease.mapping).pointee, fields: sassl_ring_mapping_fields(lease.mapping))
  }

  deinit { sassl_ring_mapping_release(lease.mapping) }

  /// Number in the stream.
  package var number: UInt64 { lease.number }
  /// Epoch of the batch.
  package var epoch: UInt64 { lease.epoch }
  /// Position in the epoch.
  package var step: UInt64 { lease.step }
  /// Samples in it.
  package var count: Int { Int(lease.count) }
  /// CRC-32C of the payload.
  package var checksum: UInt32 { lease.checksum }
  /// The whole payload.
  package var payload: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: lease.payload, count: geometry.payloadBytes)
  }

  /// The bytes of one array, or nil where the ring has no array of that name.
  package subscript(name: String) -> UnsafeRawBufferPointer? {
    geometry.range(of: name).map { UnsafeRawBufferPointer(rebasing: payload[$0]) }
  }
}
