import BatchRing
import Foundation
import Synchronization
import Testing

/// Something that several threads look at and one raises.
private final class Flag: Sendable {
  private let value = Atomic(false)
  var isUp: Bool { value.load(ordering: .acquiring) }
  func raise() { value.store(true, ordering: .releasing) }
}

@Suite struct ConcurrencyTests {
  /// Several threads fill slots while one reads, and every batch comes once, in order and whole.
  @Test(arguments: [1, 2, 5], [1, 4])
  func manyWorkersMakeOneStream(slots: Int, workers: Int) async throws {
    let directory = try ScratchDirectory()
    let producer = try makeProducer(directory.ring(), slots: slots)
    let consumer = try makeConsumer(directory.ring())
    let isFinished = Flag()
    let total: UInt64 = 3000
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<workers {
        group.addTask {
          try await onThread {
            while !isFinished.isUp { try produceOneWaiting(producer) }
          }
        }
      }
      group.addTask {
        try await onThread {
          defer { isFinished.raise() }
          for number in 0..<total {
            let batch = try #require(try consumer.next(timeout: .seconds(60)))
            #expect(batch.number == number)
            #expect(isIntact(batch))
            try consumer.release(batch)
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(producer.counters.released == total)
    #expect(producer.counters.dropped == 0)
  }

  /// Seeks at every turn, with workers in the middle of their batches.
  @Test func aReaderThatKeepsSeekingAlwaysGetsWhatItAskedFor() async throws {
    let directory = try ScratchDirectory()
    let producer = try makeProducer(directory.ring(), slots: 3)
    let consumer = try makeConsumer(directory.ring())
    let isFinished = Flag()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<3 {
        group.addTask {
          try await onThread {
            while !isFinished.isUp { try produceOneWaiting(producer) }
          }
        }
      }
      group.addTask {
        try await onThread {
          defer { isFinished.raise() }
          var number: UInt64 = 0
          for turn in 0..<UInt64(600) {
            for _ in 0..<turn % 5 {
              let batch = try #require(try consumer.next(timeout: .seconds(60)))
              #expect(batch.number == number)
              #expect(isIntact(batch))
              try consumer.release(batch)
              number += 1
            }
            number = turn &* 7919 % 1000
            try consumer.seek(to: number)
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(producer.counters.leased == 0)
  }

  /// One clock for both sides: what a waiting side has waited is visible while it waits and afterwards.
  @Test func whoWaitsForWhomIsCounted() throws {
    let directory = try ScratchDirectory()
    let producer = try makeProducer(directory.ring(), slots: 1)
    let consumer = try makeConsumer(directory.ring())
    #expect(try consumer.next(timeout: .milliseconds(1)) == nil)
    let starved = producer.counters.consumerWaitedNanoseconds
    #expect(starved >= 1_000_000)
    try produceOne(producer)
    #expect(producer.counters.producerWaitedNanoseconds == 0)
    #expect(try producer.reserve(timeout: .milliseconds(1)) == nil)
    #expect(producer.counters.producerWaitedNanoseconds >= 1_000_000)
    #expect(producer.counters.consumerWaitedNanoseconds == starved)
  }

  /// Where every slot is taken because it is still being filled, nobody waits for the reader.
  @Test func waitingForOwnWorkIsNotWaitingForTheReader() throws {
    let directory = try ScratchDirectory()
    let producer = try makeProducer(directory.ring(), slots: 1)
    let reservation = try #require(try producer.reserve(timeout: .zero))
    #expect(try producer.reserve(timeout: .milliseconds(1)) == nil)
    #expect(producer.counters.producerWaitedNanoseconds == 0)
    try producer.publish(reservation, epoch: 0, step: 0, count: 1)
    #expect(try producer.reserve(timeout: .milliseconds(1)) == nil)
    #expect(producer.counters.producerWaitedNanoseconds >= 1_000_000)
  }
}

/// Like `produceOne`, but waits a little for a slot, so that the futex is used.
private func produceOneWaiting(_ producer: RingProducer) throws {
  guard let reservation = try producer.reserve(timeout: .milliseconds(20)) else { return }
  fill(reservation)
  try producer.publish(reservation, epoch: 0, step: reservation.number, count: 2)
}

/// Blocking calls do not belong on the cooperative pool.
private func onThread(_ body: @escaping @Sendable () throws -> Void) async throws {
  try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
    Thread.detachNewThread { continuation.resume(with: Result(catching: body)) }
  }
}
