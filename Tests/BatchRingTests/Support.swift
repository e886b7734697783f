import BatchRing
import CSASSLRing
import Foundation
import Testing

/// A directory of its own on tmpfs, removed with everything in it.
final class ScratchDirectory: Sendable {
  let path: String

  init() throws {
    path = "/dev/shm/ring-tests-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Names of what is in it.
  var files: [String] { (try? FileManager.default.contentsOfDirectory(atPath: path).sorted()) ?? ["unreadable"] }

  func ring(_ name: String = "test", rank: Int = 0) -> RingLocation {
    RingLocation(directory: path, name: name, rank: rank)
  }
}

/// Small arrays of two samples; `pattern` fills the first 16 bytes.
let smallFields = [
  RingField(name: "view0", type: .uint8, shape: [2, 2, 2, 3]),
  RingField(name: "label", type: .int64, shape: [2]),
]

let plainFingerprint = [UInt8](repeating: 7, count: 32)

func makeProducer(
  _ location: RingLocation, slots: Int = 2, start: RingProducer.Start = .resume(else: 0),
  fingerprint: [UInt8] = plainFingerprint, settings: String = "", hook: RingProducer.Hook? = nil
) throws -> RingProducer {
  try RingProducer(
    at: location, slotCount: slots, batchSize: 2, fields: smallFields, fingerprint: fingerprint, settings: settings,
    start: start, hook: hook)
}

func makeConsumer(
  _ location: RingLocation, start: UInt64? = nil, hook: RingProducer.Hook? = nil
) throws -> RingConsumer {
  try RingConsumer(at: location, start: start, verify: true, absenceTimeout: .zero, hook: hook)
}

/// Fills a slot with bytes that only its number determines.
func fill(_ reservation: RingReservation) {
  for index in reservation.payload.indices { reservation.payload[index] = patternByte(reservation.number, index) }
}

func patternByte(_ number: UInt64, _ index: Int) -> UInt8 {
  UInt8(truncatingIfNeeded: number &* 131 &+ UInt64(index) &* 7 &+ 3)
}

/// True when every byte is what `fill` wrote for that number.
func isIntact(_ batch: RingBatch) -> Bool {
  batch.payload.indices.allSatisfy { batch.payload[$0] == patternByte(batch.number, $0) }
}

/// Publishes the next batch if there is room.
@discardableResult
func produceOne(_ producer: RingProducer) throws -> UInt64? {
  guard let reservation = try producer.reserve(timeout: .zero) else { return nil }
  fill(reservation)
  let wasPublished = try producer.publish(reservation, epoch: 0, step: reservation.number, count: 2)
  return wasPublished ? reservation.number : nil
}

/// The error that `body` throws, which must be a `RingError`.
func ringError(_ body: () throws -> Void) -> RingError? {
  do {
    try body()
    return nil
  } catch {
    return error as? RingError
  }
}
