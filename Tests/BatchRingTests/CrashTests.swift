import BatchRing
import CSASSLRing
import Foundation
import Synchronization
import Testing

/// Dies at the n-th arrival at one step.
private final class Trap: Sendable {
  private let step: RingStep
  private let countdown: Atomic<Int>

  init(_ step: RingStep, occurrence: Int) {
    self.step = step
    countdown = Atomic(occurrence)
  }

  var isSprung: Bool { countdown.load(ordering: .relaxed) <= 0 }

  var hook: RingProducer.Hook {
    { [self] reached in
      reached == step && countdown.subtract(1, ordering: .relaxed).newValue == 0
    }
  }
}

/// A producer and a reader that come back after each death, and the list of batches that the reader was done with.
private final class Stage {
  let location: RingLocation
  let trap: Trap
  var producer: RingProducer?
  var consumer: RingConsumer?
  var consumed: [UInt64] = []
  /// Where the reader continues when its own death has made it forget; nil once the ring knows.
  var pendingSeek: UInt64?
  var deaths = 0

  init(_ location: RingLocation, _ trap: Trap) {
    self.location = location
    self.trap = trap
  }

  /// Runs one call; a death in it ends that side as `kill -9` would.
  func mortal<Value>(_ bury: () -> Void, _ body: () throws -> Value) throws -> Value? {
    do {
      return try body()
    } catch let error as RingError where error.kind == .abandoned {
      deaths += 1
      bury()
      return nil
    }
  }

  func buryProducer() {
    producer?.abandon()
    producer = nil
  }

  func buryConsumer() {
    consumer?.abandon()
    consumer = nil
  }

  func turnOfProducer() throws {
    _ = try mortal(buryProducer) {
      if producer == nil { producer = try makeProducer(location, slots: 2, hook: trap.hook) }
      if let producer { try produceOne(producer) }
    }
  }

  func turnOfConsumer() throws {
    _ = try mortal(buryConsumer) {
      if consumer == nil {
        do {
          consumer = try makeConsumer(location, hook: trap.hook)
        } catch let error as RingError where error.kind == .absent {
          return  // no producer at the moment
        }
      }
      guard let consumer else { return }
      if let target = pendingSeek {
        // A trainer that dies in a seek has its checkpoint and asks again.
        try consumer.seek(to: target)
        pendingSeek = nil
      }
      do {
        guard let batch = try consumer.next(timeout: .zero) else { return }
        #expect(isIntact(batch))
        // Done with it the moment it says so: a death inside the release must not bring the batch back.
        consumed.append(batch.number)
        try consumer.release(batch)
      } catch let error as RingError where error.kind == .absent {
        return
      }
    }
  }

  func turn() throws {
    try turnOfProducer()
    try turnOfConsumer()
  }
}

@Suite struct CrashTests {
  @Test(arguments: RingStep.allCases, 1...3)
  func aDeathAtAnyStepLosesAndRepeatsNothing(step: RingStep, occurrence: Int) throws {
    let directory = try ScratchDirectory()
    let trap = Trap(step, occurrence: occurrence)
    let stage = Stage(directory.ring(), trap)
    for _ in 0..<12 { try stage.turn() }
    for _ in 0..<3 {
      stage.buryProducer()  // so that creation over a predecessor happens too
      for _ in 0..<4 { try stage.turn() }
      stage.buryConsumer()
    }
    let before = stage.consumed
    #expect(before == Array(0..<UInt64(before.count)))
    #expect(before.count >= 8)
    for target in [UInt64(3), 500, 40] {
      stage.consumed = []
      stage.pendingSeek = target
      for _ in 0..<12 { try stage.turn() }
      // The batch in the reader's hands when the seek was first tried may come before it.
      let after = Array(stage.consumed.drop { $0 != target })
      #expect(after == Array(target..<target + UInt64(after.count)))
      #expect(after.count >= 6)
    }
    if let producer = stage.producer {
      // `close` cannot throw; where it dies, the file stays behind for the successor to replace.
      producer.close()
      stage.producer = nil
      if step == .closed && occurrence == 1 {
        #expect(directory.files == ["sassl.test.0"])
        stage.deaths += 1
      }
    }
    stage.buryConsumer()
    let last = try makeProducer(directory.ring())
    last.close()
    #expect(directory.files == [])
    let canHappen = step != .closed || occurrence == 1
    if canHappen { #expect(stage.deaths == 1) }
  }

  @Test func aHalfWrittenSlotIsNeverSeen() throws {
    let directory = try ScratchDirectory()
    let producer = try makeProducer(directory.ring())
    let consumer = try makeConsumer(directory.ring())
    let reservation = try #require(try producer.reserve(timeout: .zero))
    reservation.payload[0] = 1
    producer.abandon()
    #expect(ringError { _ = try consumer.next(timeout: .zero) }?.kind == .absent)
    let successor = try makeProducer(directory.ring())
    try produceOne(successor)
    let batch = try #require(try consumer.next(timeout: .zero))
    #expect(batch.number == 0)
    #expect(isIntact(batch))
  }

  /// A child between fork and exec has copies of all descriptors; while it has them, closing ours would not end the locks.
  @Test func locksGoAtOnceAlsoWhereAChildHasCopiesOfTheDescriptors() throws {
    let directory = try ScratchDirectory()
    let location = directory.ring()
    let producer = try makeProducer(location)
    let consumer = try makeConsumer(location)
    var file = stat()
    #expect(stat(try location.path(), &file) == 0)
    let copies = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap { Int32($0) }
      .filter { descriptor in
        var other = stat()
        return fstat(descriptor, &other) == 0 && other.st_dev == file.st_dev && other.st_ino == file.st_ino
      }
      .map { dup($0) }
    defer { for copy in copies { close(copy) } }
    #expect(copies.count >= 2)
    consumer.abandon()
    let secondReader = try makeConsumer(location)
    producer.abandon()
    let successor = try makeProducer(location)
    try produceOne(successor)
    #expect(try secondReader.next(timeout: .zero)?.number == 0)
  }

  @Test func batchesThatADeadReaderHeldComeBack() throws {
    let directory = try ScratchDirectory()
    let producer = try makeProducer(directory.ring(), slots: 3)
    for _ in 0..<3 { try produceOne(producer) }
    let first = try makeConsumer(directory.ring())
    let held = try (0..<3).map { _ in try #require(try first.next(timeout: .zero)) }
    try first.release(held[1])  // out of order, so it stays behind batch 0
    #expect(try producer.reserve(timeout: .zero) == nil)
    first.abandon()
    let second = try makeConsumer(directory.ring())
    for number in 0..<UInt64(3) {
      let batch = try #require(try second.next(timeout: .zero))
      #expect(batch.number == number)
      try second.release(batch)
    }
    #expect(try produceOne(producer) == 3)
  }

  @Test func memoryThatAReaderLooksAtOutlivesEverything() throws {
    let directory = try ScratchDirectory()
    let producer = try makeProducer(directory.ring())
    try produceOne(producer)
    let consumer = try makeConsumer(directory.ring())
    let batch = try #require(try consumer.next(timeout: .zero))
    producer.abandon()
    let successor = try makeProducer(directory.ring())
    consumer.close()
    successor.close()
    #expect(isIntact(batch))
  }

  @Test func batchesOfADeadInstanceAreReleasedTowardsItsSuccessor() throws {
    let directory = try ScratchDirectory()
    let first = try makeProducer(directory.ring(), slots: 2)
    for _ in 0..<2 { try produceOne(first) }
    let consumer = try makeConsumer(directory.ring())
    let held = try (0..<2).map { _ in try #require(try consumer.next(timeout: .zero)) }
    first.abandon()
    let second = try makeProducer(directory.ring(), slots: 2)
    #expect(try consumer.next(timeout: .zero) == nil)  // finds the successor, where nothing is ready
    #expect(second.counters.readerNext == 0)
    try consumer.release(held[0])
    #expect(second.counters.readerNext == 1)
    try consumer.release(held[1])
    #expect(second.counters.readerNext == 2)
  }
}
