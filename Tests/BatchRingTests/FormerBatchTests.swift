import BatchRing
import Foundation
import Testing

@Suite struct FormerBatchTests {
  private func now() -> UInt64 { DispatchTime.now().uptimeNanoseconds }

  @Test func aSlotTellsForHowLongTheBatchBeforeWasThere() throws {
    let directory = try ScratchDirectory()
    let producer = try makeProducer(directory.ring(), slots: 2)
    let reader = try makeConsumer(directory.ring())
    let beforePublishing = now()
    for _ in 0..<2 { try produceOne(producer) }
    let published = now()
    let first = try #require(try reader.next(timeout: .zero))
    try reader.release(first)
    _ = try reader.next(timeout: .zero)
    let released = now()
    let again = try #require(try producer.reserve(timeout: .zero))
    let told = try #require(again.formerNanoseconds)
    #expect(told >= released - published && told <= now() - beforePublishing)
    // Given back unfilled and reserved once more, it has told of it already.
    try producer.cancel(again)
    #expect(try #require(try producer.reserve(timeout: .zero)).formerNanoseconds == nil)
  }

  @Test func aFreshSlotAndOneWhoseBatchWasOvertakenBySeekTellNothing() throws {
    let directory = try ScratchDirectory()
    let producer = try makeProducer(directory.ring(), slots: 2)
    let reader = try makeConsumer(directory.ring())
    let fresh = try (0..<2).map { _ in try #require(try producer.reserve(timeout: .zero)) }
    #expect(fresh.allSatisfy { $0.formerNanoseconds == nil })
    for reservation in fresh {
      fill(reservation)
      _ = try producer.publish(reservation, epoch: 0, step: reservation.number, count: 2)
    }
    try reader.seek(to: 40)
    #expect(try reader.next(timeout: .zero) == nil)
    let moved = try #require(try producer.reserve(timeout: .zero))
    #expect(moved.number == 40)
    #expect(moved.formerNanoseconds == nil)
  }
}
