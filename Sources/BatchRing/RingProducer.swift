import CSASSLRing
import Synchronization

/// The filling side of a ring.
///
/// Several slots may be filled at once, by any threads; batches become visible strictly in the order of their
/// numbers. A reader's seek shows up as a jump in the numbers that `reserve` hands out.
///
/// For example:
///
///     let ring = try RingProducer(at: RingLocation(name: "photos"), slotCount: 4, batchSize: 32, fields: fields,
///       fingerprint: fingerprint)
///     while running {
///       guard let reservation = try ring.reserve(timeout: .seconds(1)) else { continue }  // the ring is full
///       fill(reservation["view0"], with: batch(reservation.number))
///       try ring.publish(reservation, epoch: 0, step: reservation.number, count: 32)
///     }
///     ring.close()
///
/// Unchecked because the C library underneath synchronises itself, and is only closed when nobody calls it any more.
package final class RingProducer: @unchecked Sendable {
  /// Where the first batch comes from.
  package enum Start: Sendable, Hashable {
    /// This batch.
    case batch(UInt64)
    /// Where the reader of a killed predecessor with the same fingerprint stood, so that nothing is made in vain; else this one.
    case resume(else: UInt64)
  }

  /// Called at each step of the protocol; returning true makes the calling method behave as if the process had died there.
  package typealias Hook = @Sendable (RingStep) -> Bool

  /// The ring's layout, with the identity of the instance that it began with.
  package let geometry: RingGeometry
  /// First batch number of the instance that it began with.
  package let startBatch: UInt64
  /// Whether `startBatch` came from a predecessor.
  package let isResumed: Bool

  private let isOpen = Atomic(true)
  private let pointer: OpaquePointer
  private let hook: HookBox?

  /// Creates the ring's segment, all of its memory reserved, replacing that of a dead predecessor.
  ///
  /// - Parameters:
  ///   - location: where.
  ///   - slotCount: batches that the ring holds, 1 to 4096.
  ///   - batchSize: samples in a full batch.
  ///   - fields: arrays of a batch.
  ///   - fingerprint: 32 bytes that change when the stream would.
  ///   - settings: what the fingerprint is made of, one `key = value` line each, at most 64 KiB. It is for the messages of
  ///     a reader that meets another fingerprint than it knows.
  ///   - worldSize: readers of the whole stream; the location's rank must be below it.
  ///   - batchesPerEpoch: for the reader's information, 0 for unknown.
  ///   - cpuPath: for the reader's information, what the batches' bits depend on.
  ///   - start: first batch.
  ///   - group: numeric group that may attach too; nil for this process's user alone.
  ///   - spaceTimeout: how long to wait, when memory is short, for the reader of a dead predecessor to let go of its.
  /// - Throws: `RingError`; `.space` names the bytes needed and available, `.busy` the process that fills this ring already,
  ///   `.owner` the user whose file has this name.
  package convenience init(
    at location: RingLocation, slotCount: Int, batchSize: Int, fields: [RingField], fingerprint: [UInt8],
    settings: String = "", worldSize: Int = 1, batchesPerEpoch: UInt64 = 0, cpuPath: RingCPUPath = .any,
    start: Start = .resume(else: 0),
    group: UInt32? = nil, spaceTimeout: Duration = .seconds(5)
  ) throws(RingError) {
    try self.init(
      at: location, slotCount: slotCount, batchSize: batchSize, fields: fields, fingerprint: fingerprint,
      settings: settings, worldSize: worldSize, batchesPerEpoch: batchesPerEpoch, cpuPath: cpuPath, start: start,
      group: group, spaceTimeout: spaceTimeout, hook: nil)
  }

  package init(
    at location: RingLocation, slotCount: Int, batchSize: Int, fields: [RingField], fingerprint: [UInt8],
    settings: String = "", worldSize: Int = 1, batchesPerEpoch: UInt64 = 0, cpuPath: RingCPUPath = .any,
    start: Start = .resume(else: 0),
    group: UInt32? = nil, spaceTimeout: Duration = .seconds(5), hook: Hook?
  ) throws(RingError) {
    let box = hook.map(HookBox.init)
    var options = try Self.options(
      location: location, slotCount: slotCount, batchSize: batchSize, fingerprint: fingerprint, worldSize: worldSize)
    options.batches_per_epoch = batchesPerEpoch
    options.cpu_path = cpuPath.rawValue
    options.group_id = group.map(Int64.init) ?? -1
    options.space_timeout_ns = nanoseconds(spaceTimeout)
    switch start {
    case .batch(let number): options.start_batch = number
    case .resume(let number):
      options.start_batch = number
      options.resume = 1
    }
    if let box {
      options.hook = callHook
      options.hook_context = Unmanaged.passUnretained(box).toOpaque()
    }
    var producer: OpaquePointer?
    try Self.withC(options, location: location, fields: fields, settings: settings) { options, error in
      sassl_ring_producer_create(options, &producer, error)
    }
    guard let producer else { throw RingError(kind: .state, description: "the ring was not created") }
    pointer = producer
    self.hook = box
    geometry = RingGeometry(
      sassl_ring_producer_geometry(producer).pointee, fields: sassl_ring_producer_fields(producer))
    startBatch = sassl_ring_producer_start(producer)
    isResumed = sassl_ring_producer_resumed(producer) != 0
  }

  deinit { close() }

  /// Bytes of shared memory that such a ring takes, not counting the pages of its settings. Throws `RingError.Kind.argument`
  /// where `init` would.
  package static func segmentBytes(
    at location: RingLocation, slotCount: Int, batchSize: Int, fields: [RingField], worldSize: Int = 1
  ) throws(RingError) -> UInt64 {
    let options = try options(
      location: location, slotCount: slotCount, batchSize: batchSize, fingerprint: [UInt8](repeating: 0, count: 32),
      worldSize: worldSize)
    var bytes: UInt64 = 0
    try withC(options, location: location, fields: fields, settings: "") { options, error in
      bytes = sassl_ring_segment_bytes(options, error)
      return bytes == 0 ? error.pointee.result : 0
    }
    return bytes
  }

  /// Waits for a free slot and returns it with the number of the batch that belongs there, or nil when the ring stays full.
  ///
  /// A reader's seek is obeyed in here: the number is then the one it asked for, and reservations that are still out become void.
  ///
  /// - Throws: `RingError.Kind.corrupt` when the reader has scribbled over the header.
  package func reserve(timeout: Duration) throws(RingError) -> RingReservation? {
    var reservation = sassl_ring_reservation()
    let result = try checked { sassl_ring_producer_reserve(pointer, nanoseconds(timeout), &reservation, $0) }
    guard result == 0 else { return nil }
    return RingReservation(reservation, geometry: geometry, producer: self)
  }

  /// Computes the checksum and makes the batch visible, now or as soon as all earlier reservations are published.
  ///
  /// - Parameters:
  ///   - reservation: a filled slot.
  ///   - epoch: epoch of the batch.
  ///   - step: position in the epoch.
  ///   - count: samples in it, at most the batch size.
  ///   - production: how long making it took.
  /// - Returns: false when a seek has overtaken the reservation and nothing was published.
  /// - Throws: `RingError.Kind.state` when it was published or cancelled before.
  @discardableResult
  package func publish(
    _ reservation: RingReservation, epoch: UInt64, step: UInt64, count: Int, production: Duration = .zero
  ) throws(RingError) -> Bool {
    guard let count = UInt32(exactly: count) else {
      throw RingError(kind: .argument, description: "\(count) is not a number of samples")
    }
    var batch = sassl_ring_batch()
    batch.epoch = epoch
    batch.step = step
    batch.count = count
    batch.production_ns = nanoseconds(production)
    let result = try checked { error in
      withUnsafePointer(to: reservation.reservation) { sassl_ring_producer_publish(pointer, $0, &batch, error) }
    }
    return result == 0
  }

  /// Gives a slot back unfilled; the next `reserve` returns it again with the same number.
  package func cancel(_ reservation: RingReservation) throws(RingError) {
    _ = try checked { error in
      withUnsafePointer(to: reservation.reservation) { sassl_ring_producer_cancel(pointer, $0, error) }
    }
  }

  /// Tells observers that work goes on. Publishing does that too.
  package func heartbeat() { sassl_ring_producer_heartbeat(pointer) }

  /// The ring's counters now.
  package var counters: RingCounters {
    var counters = sassl_ring_counters()
    sassl_ring_producer_counters(pointer, &counters)
    return RingCounters(counters)
  }

  /// Whether the ring's name still leads to the ring; false when somebody has removed or replaced its file.
  package var isNamed: Bool { sassl_ring_producer_is_named(pointer) != 0 }

  /// Puts a new instance in the place of the present one, as a restarted producer does: after `RingError.Kind.corrupt`, or when
  /// the file has lost its name. The reader goes on there with its next batch; counters begin anew.
  ///
  /// Call it from the thread that reserves. Reservations that are out become void, and are waited for.
  ///
  /// - Returns: false when some are still out after `timeout`; call it again.
  /// - Throws: `RingError`, as `init` does. What stands in the place of the file is told before the present instance is given up.
  package func renew(timeout: Duration) throws(RingError) -> Bool {
    try checked { sassl_ring_producer_renew(pointer, nanoseconds(timeout), $0) } == 0
  }

  /// Says that nothing more will come and removes the file, and leaves the memory until `close`; a reader may finish what is
  /// published. Reservations that are out become void, and `reserve` throws `RingError.Kind.state`.
  package func finish() { _ = sassl_ring_producer_finish(pointer) }

  /// Finishes, and gives the memory back.
  ///
  /// Call it when no other thread uses the producer any more, and use neither the producer nor its reservations afterwards.
  /// Calling it again does nothing.
  package func close() {
    if isOpen.exchange(false, ordering: .acquiringAndReleasing) { _ = sassl_ring_producer_close(pointer) }
  }

  /// Leaves everything as a killed process would.
  package func abandon() {
    if isOpen.exchange(false, ordering: .acquiringAndReleasing) { sassl_ring_producer_abandon(pointer) }
  }

  fileprivate func isVoid(_ reservation: sassl_ring_reservation) -> Bool {
    withUnsafePointer(to: reservation) { sassl_ring_producer_is_void(pointer, $0) != 0 }
  }

  private static func options(
    location: RingLocation, slotCount: Int, batchSize: Int, fingerprint: [UInt8], worldSize: Int
  ) throws(RingError) -> sassl_ring_producer_options {
    guard let slots = UInt32(exactly: slotCount), let samples = UInt32(exactly: batchSize),
      let readers = UInt32(exactly: worldSize)
    else {
      throw RingError(
        kind: .argument,
        description: "slot count \(slotCount), batch size \(batchSize) and world size \(worldSize) must be positive")
    }
    guard fingerprint.count == 32 else {
      throw RingError(kind: .argument, description: "a fingerprint has 32 bytes, not \(fingerprint.count)")
    }
    var options = sassl_ring_producer_options()
    options.rank = try location.checkedRank()
    options.world_size = readers
    options.batch_size = samples
    options.slot_count = slots
    withUnsafeMutableBytes(of: &options.fingerprint) { $0.copyBytes(from: fingerprint) }
    return options
  }

  /// Lends the strings and the field table to C for one call.
  private static func withC(
    _ options: sassl_ring_producer_options, location: RingLocation, fields: [RingField], settings: String,
    _ call: (UnsafePointer<sassl_ring_producer_options>, UnsafeMutablePointer<sassl_ring_error>) -> Int32
  ) throws(RingError) {
    var table: [sassl_ring_field] = []
    for field in fields { table.append(try field.makeC()) }
    var options = options
    options.field_count = UInt32(table.count)
    _ = try checked { error in
      location.directory.withCString { directory in
        location.name.withCString { name in
          settings.withCString { settings in
            table.withUnsafeBufferPointer { table in
              options.directory = directory
              options.name = name
              options.settings = settings
              options.fields = table.baseAddress
              return call(&options, error)
            }
          }
        }
      }
    }
  }
}

/// A slot that is being filled.
///
/// Unchecked because the memory behind it belongs to whoever holds the reservation, one holder at a time.
package struct RingReservation: @unchecked Sendable {
  let reservation: sassl_ring_reservation
  private let geometry: RingGeometry
  private let producer: RingProducer

  init(_ reservation: sassl_ring_reservation, geometry: RingGeometry, producer: RingProducer) {
    self.reservation = reservation
    self.geometry = geometry
    self.producer = producer
  }

  /// Number of the batch that belongs here.
  package var number: UInt64 { reservation.number }
  /// Index of the slot, 0 to slot count - 1.
  package var slot: Int { Int(reservation.slot) }
  /// For how long the batch that was in the slot before was there: from its publication until the slot was found free. In
  /// nanoseconds; `nil` where there was none, or a seek has overtaken it, so that it may never have been read.
  package var formerNanoseconds: UInt64? { reservation.former_ns == 0 ? nil : reservation.former_ns }
  /// Whether a seek has overtaken it, so that filling it further is in vain: once true, always true. Publish or cancel it all the
  /// same.
  package var isVoid: Bool { producer.isVoid(reservation) }
  /// The whole payload.
  package var payload: UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(start: reservation.payload, count: geometry.payloadBytes)
  }

  /// The bytes of one array, 64-byte aligned. The ring must have an array of that name.
  package subscript(name: String) -> UnsafeMutableRawBufferPointer {
    guard let range = geometry.range(of: name) else { preconditionFailure("the ring has no array '\(name)'") }
    return UnsafeMutableRawBufferPointer(rebasing: payload[range])
  }
}

/// Gives a closure an address that C can carry around.
final class HookBox: Sendable {
  let hook: RingProducer.Hook
  init(_ hook: @escaping RingProducer.Hook) { self.hook = hook }
}

/// The C function behind every hook.
func callHook(step: sassl_ring_step, context: UnsafeMutableRawPointer?) -> Int32 {
  guard let context, let step = RingStep(rawValue: step.rawValue) else { return 0 }
  return Unmanaged<HookBox>.fromOpaque(context).takeUnretainedValue().hook(step) ? 1 : 0
}
