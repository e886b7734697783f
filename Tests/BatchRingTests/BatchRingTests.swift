import BatchRing
import Foundation
import Testing

/// A directory of its own on tmpfs, removed with everything in it.
final class ScratchDirectory: Sendable {
  let path: String
  init() {
    path = "/dev/shm/ring-tests-\(UUID().uuidString)"
    try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }
  deinit { try? FileManager.default.removeItem(atPath: path) }
  var files: [String] { (try? FileManager.default.contentsOfDirectory(atPath: path).sorted()) ?? [] }
  func ring(_ name: String = "test", rank: Int = 0) -> RingLocation {
    RingLocation(directory: path, name: name, rank: rank)
  }
}

let testFields = [
  RingField(name: "view0", type: .uint8, shape: [2, 3, 5, 3]),
  RingField(name: "label", type: .int64, shape: [2]),
]

@Suite struct BatchRingTests {
  @Test func aBatchArrivesAsItWasPublished() throws {
    let directory = ScratchDirectory()
    let producer = try RingProducer(
      at: directory.ring(), slotCount: 2, batchSize: 2, fields: testFields,
      fingerprint: [UInt8](repeating: 7, count: 32))
    let consumer = try RingConsumer(at: directory.ring(), verify: true)
    for number in 0..<UInt64(10) {
      let reservation = try #require(try producer.reserve(timeout: .seconds(1)))
      #expect(reservation.number == number)
      for index in reservation["view0"].indices {
        reservation["view0"][index] = UInt8(truncatingIfNeeded: index + Int(number))
      }
      try producer.publish(reservation, epoch: 1, step: number, count: 2)
      let batch = try #require(try consumer.next(timeout: .seconds(1)))
      #expect(batch.number == number)
      #expect(batch["view0"]?[4] == UInt8(4 + number))
      try consumer.release(batch)
    }
    producer.close()
    #expect(directory.files == [])
  }
}
