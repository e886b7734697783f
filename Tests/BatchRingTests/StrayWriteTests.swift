import BatchRing
import CSASSLRing
import Foundation
import Synchronization
import Testing

/// A word of the header that changes, by its offset and width.
private struct Word: Sendable, CustomTestStringConvertible {
  let name: String
  let offset: Int
  let bytes: Int
  var testDescription: String { name }

  static let ofProducer = [
    Word(name: "published", offset: 256, bytes: 8), Word(name: "next_batch", offset: 264, bytes: 8),
    Word(name: "seek_acknowledged", offset: 272, bytes: 8), Word(name: "heartbeat_ns", offset: 280, bytes: 8),
    Word(name: "producer_waited_ns", offset: 288, bytes: 8),
    Word(name: "producer_waiting_since_ns", offset: 296, bytes: 8), Word(name: "producing", offset: 304, bytes: 8),
    Word(name: "published_signal", offset: 312, bytes: 4), Word(name: "producer_state", offset: 316, bytes: 4),
  ]
  static let ofReader = [
    Word(name: "released", offset: 512, bytes: 8), Word(name: "taken", offset: 520, bytes: 8),
    Word(name: "reader_next", offset: 528, bytes: 8), Word(name: "seek_target", offset: 536, bytes: 8),
    Word(name: "seek_requested", offset: 544, bytes: 8), Word(name: "consumer_waited_ns", offset: 552, bytes: 8),
    Word(name: "consumer_waiting_since_ns", offset: 560, bytes: 8), Word(name: "dropped", offset: 568, bytes: 8),
    Word(name: "consumer_attached_ns", offset: 576, bytes: 8),
    Word(name: "consumer_start_ticks", offset: 584, bytes: 8),
    Word(name: "consumer_pid", offset: 592, bytes: 4), Word(name: "released_signal", offset: 596, bytes: 4),
  ]
}

private let requests = 544
private let strayValues: [UInt64] = [
  0, 1, 77, 1 << 40, UInt64(Int64.max), 1 << 63, (1 << 63) + 5, .max - 1, .max,
]

/// A producer and a reader that go on, whatever was written: the reader attaches anew after an error, the producer makes its
/// ring anew. Returns the numbers that the reader got, of which every one must be whole.
private func flow(_ producer: RingProducer, _ reader: inout RingConsumer?, at location: RingLocation, turns: Int) throws
  -> [UInt64]
{
  var numbers: [UInt64] = []
  for _ in 0..<turns {
    if ringError({ try produceOne(producer) })?.kind == .corrupt { #expect(try producer.renew(timeout: .zero)) }
    producer.heartbeat()
    let trouble = ringError {
      let present = try reader ?? makeConsumer(location)
      reader = present
      guard let batch = try present.next(timeout: .zero) else { return }
      #expect(isIntact(batch))
      numbers.append(batch.number)
      try present.release(batch)
    }
    // Its own memory told it something impossible: it comes back. While its producer is being replaced, it waits.
    if let trouble, trouble.kind != .absent { reader = nil }
    _ = producer.counters.ready + producer.counters.leased
    if let observer = try? RingObserver(at: location) {
      let counters = observer.counters
      #expect(counters.ready + counters.leased <= UInt64(producer.geometry.slotCount))
      #expect(counters.nextBatch <= UInt64(Int64.max) && counters.readerNext <= UInt64(Int64.max))
      #expect(counters.producerWaitedNanoseconds <= counters.nowNanoseconds)
    }
  }
  return numbers
}

@Suite struct StrayWriteTests {
  /// What a producer has said it does not read back, so nothing that is written there lasts or changes the stream.
  @Test(arguments: Word.ofProducer, strayValues)
  fileprivate func whatTheProducerHasSaidItSaysAgain(word: Word, value: UInt64) throws {
    let directory = try ScratchDirectory()
    let location = directory.ring()
    let producer = try makeProducer(location, slots: 3)
    var reader: RingConsumer? = try makeConsumer(location)
    #expect(try flow(producer, &reader, at: location, turns: 4) == [0, 1, 2, 3])
    try Scribbler(path: location.path()).write(word: word.offset, bytes: word.bytes, value)
    let counters = producer.counters
    #expect((counters.published, counters.nextBatch, counters.producing) == (4, 4, 0))
    #expect(!counters.producerIsClosed)
    producer.heartbeat()
    let observed = try RingObserver(at: location).counters
    #expect((observed.published, observed.nextBatch, observed.seekAcknowledged) == (4, 4, 0))
    #expect(!observed.producerIsClosed && observed.producing == 0)
    let numbers = try flow(producer, &reader, at: location, turns: 8)
    #expect(numbers == Array(4..<4 + UInt64(numbers.count)) && numbers.count >= 6)
    #expect(producer.startBatch == 0 && producer.counters.published >= 10, "the ring was not made anew")
  }

  /// What the reader writes may be anything: its own ring heals, and the stream that it then reads is whole.
  @Test(arguments: Word.ofReader, strayValues)
  fileprivate func whateverTheReaderWritesItsRingGoesOn(word: Word, value: UInt64) throws {
    let directory = try ScratchDirectory()
    let location = directory.ring()
    let producer = try makeProducer(location, slots: 3)
    var reader: RingConsumer? = try makeConsumer(location)
    #expect(try flow(producer, &reader, at: location, turns: 4) == [0, 1, 2, 3])
    try Scribbler(path: location.path()).write(word: word.offset, bytes: word.bytes, value)
    let numbers = try flow(producer, &reader, at: location, turns: 24)
    // The reader knows where it is, and stays there.
    #expect(numbers.count >= 8 && numbers == Array(4..<4 + UInt64(numbers.count)), "\(numbers)")
    producer.close()
    #expect(directory.files == [])
  }

  /// A seek that shows for a moment and goes again: either it was obeyed, and then nothing of the batch is published, or it
  /// never was; and in both cases the reader gets what it waits for.
  @Test(arguments: [false, true])
  func whetherABatchIsVoidIsDecidedOnce(isNoticed: Bool) throws {
    let directory = try ScratchDirectory()
    let location = directory.ring()
    let producer = try makeProducer(location, slots: 2)
    let reader = try makeConsumer(location)
    let scribbler = Scribbler(path: try location.path())
    let reservation = try #require(try producer.reserve(timeout: .zero))
    try scribbler.write(UInt64(1), at: requests)
    if isNoticed { #expect(reservation.isVoid) }
    try scribbler.write(UInt64(0), at: requests)
    #expect(reservation.isVoid == isNoticed)
    if isNoticed {
      #expect(try producer.publish(reservation, epoch: 0, step: 0, count: 2) == false)
    } else {
      fill(reservation)
      #expect(try producer.publish(reservation, epoch: 0, step: 0, count: 2))
    }
    var received: RingBatch?
    for _ in 0..<4 where received == nil {
      try produceOne(producer)
      received = try reader.next(timeout: .zero)
    }
    #expect(received?.number == 0 && received.map(isIntact) == true)
  }

  /// A count that goes back and forth is one request, not one for each look.
  @Test func aRequestThatFlickersIsObeyedOnce() throws {
    let directory = try ScratchDirectory()
    let location = directory.ring()
    let producer = try makeProducer(location, slots: 2)
    let scribbler = Scribbler(path: try location.path())
    var made: [UInt64?] = []
    for turn in 0..<6 {
      try scribbler.write(UInt64(turn % 2 == 0 ? 9 : 3), at: requests)
      made.append(try produceOne(producer))
      if turn == 1 { try scribbler.write(UInt64(2), at: 512) }  // gives both batches back
    }
    #expect(made == [0, 1, 2, 3, nil, nil])
    #expect(producer.counters.seekAcknowledged == 9)
  }

  @Test func aSeekThatNobodyAskedForIsTakenBackByTheReader() throws {
    let directory = try ScratchDirectory()
    let location = directory.ring()
    let producer = try makeProducer(location, slots: 3)
    var reader: RingConsumer? = try makeConsumer(location)
    #expect(try flow(producer, &reader, at: location, turns: 3) == [0, 1, 2])
    let scribbler = Scribbler(path: try location.path())
    try scribbler.write(UInt64(1_000_000), at: 536)
    try scribbler.write(UInt64(1), at: requests)
    #expect(try produceOne(producer) == 1_000_000)
    try scribbler.write(UInt64(0), at: requests)
    #expect(try flow(producer, &reader, at: location, turns: 8).prefix(4) == [3, 4, 5, 6])
  }

  /// A stray write that is undone may undo a request of the reader's, too.
  @Test func aRequestThatIsUndoneIsRepeated() throws {
    let directory = try ScratchDirectory()
    let location = directory.ring()
    let producer = try makeProducer(location, slots: 2)
    let reader = try makeConsumer(location)
    try reader.seek(to: 5_000)
    try Scribbler(path: location.path()).write(UInt64(0), at: requests)
    #expect(try produceOne(producer) == 0)
    #expect(try reader.next(timeout: .zero) == nil)
    #expect(try produceOne(producer) == 5_000)
    #expect(try reader.next(timeout: .zero)?.number == 5_000)
  }

  /// The reader's own request is under way, and somebody writes another target into it.
  @Test(arguments: [0, 1 << 30] as [UInt64])
  func aSeekWithAStrayTargetIsAskedForAgain(target: UInt64) throws {
    let directory = try ScratchDirectory()
    let location = directory.ring()
    let producer = try makeProducer(location, slots: 2)
    let reader = try makeConsumer(location)
    try reader.seek(to: 5_000)
    try Scribbler(path: location.path()).write(target, at: 536)
    var received: RingBatch?
    for _ in 0..<6 where received == nil {
      try produceOne(producer)
      received = try reader.next(timeout: .zero)
    }
    #expect(received?.number == 5_000)
  }
}

@Suite struct RenewalTests {
  @Test func aRingThatIsMadeAnewGoesOnWhereItsReaderStands() throws {
    let directory = try ScratchDirectory()
    let location = directory.ring()
    let producer = try makeProducer(location, slots: 3)
    let reader = try makeConsumer(location)
    for _ in 0..<3 { try produceOne(producer) }
    let held = try #require(try reader.next(timeout: .zero))
    #expect(try producer.renew(timeout: .zero))
    #expect(isIntact(held))
    // What was published is finished first, and then the new instance goes on without a gap.
    var numbers: [UInt64] = []
    for _ in 0..<12 where numbers.count < 5 {
      try produceOne(producer)
      guard let batch = try reader.next(timeout: .zero) else { continue }
      #expect(isIntact(batch))
      numbers.append(batch.number)
      try reader.release(batch)
    }
    #expect(numbers == [1, 2, 3, 4, 5])
    #expect(isIntact(held))
    try reader.release(held)
    #expect(producer.counters.readerNext == 6)
    producer.close()
    #expect(directory.files == [])
  }

  @Test func reservationsThatAreOutAreWaitedFor() throws {
    let directory = try ScratchDirectory()
    let producer = try makeProducer(directory.ring(), slots: 2)
    let reservation = try #require(try producer.reserve(timeout: .zero))
    #expect(try producer.renew(timeout: .zero) == false)
    #expect(reservation.isVoid)
    #expect(ringError { _ = try producer.reserve(timeout: .zero) }?.kind == .state)
    fill(reservation)  // its memory is there until it is given back
    #expect(try producer.publish(reservation, epoch: 0, step: 0, count: 2) == false)
    #expect(try producer.renew(timeout: .zero))
    #expect(try produceOne(producer) == 0)
  }

  @Test func aRemovedFileIsNoticedAndMadeAnew() throws {
    let directory = try ScratchDirectory()
    let location = directory.ring()
    let producer = try makeProducer(location, slots: 2)
    let reader = try makeConsumer(location)
    try produceOne(producer)
    try reader.release(#require(try reader.next(timeout: .zero)))
    #expect(producer.isNamed)
    try FileManager.default.removeItem(atPath: location.path())
    #expect(!producer.isNamed)
    #expect(try producer.renew(timeout: .zero))
    #expect(producer.isNamed)
    try produceOne(producer)
    #expect(try reader.next(timeout: .zero)?.number == 1)
    reader.close()
    let next = try makeConsumer(location)
    #expect(try next.next(timeout: .zero)?.number == 1)
  }

  @Test func aRingThatIsFinishedWhileItIsMadeAnewLeavesNothing() throws {
    let directory = try ScratchDirectory()
    let finishing = Mutex<RingProducer?>(nil)
    let producer = try makeProducer(
      directory.ring(), slots: 2,
      hook: { step in
        if step == .segmentVisible { finishing.withLock { $0 }?.finish() }
        return false
      })
    finishing.withLock { $0 = producer }
    #expect(ringError { _ = try producer.renew(timeout: .zero) }?.kind == .state)
    #expect(directory.files == [])
    finishing.withLock { $0 = nil }
  }

  @Test func whatStandsInThePlaceOfARemovedFileIsToldAndTheRingGoesOn() throws {
    let directory = try ScratchDirectory()
    let location = directory.ring()
    let producer = try makeProducer(location, slots: 2)
    let reader = try makeConsumer(location)
    try FileManager.default.removeItem(atPath: location.path())
    #expect(FileManager.default.createFile(atPath: try location.path(), contents: Data()))
    #expect(!producer.isNamed)
    let error = ringError { _ = try producer.renew(timeout: .zero) }
    #expect(error?.kind == .busy)
    #expect(error?.description.contains("taken the place") == true)
    try produceOne(producer)
    #expect(try reader.next(timeout: .zero)?.number == 0)
    try FileManager.default.removeItem(atPath: location.path())
    #expect(try producer.renew(timeout: .zero))
    #expect(producer.isNamed)
  }

  @Test func aFinishedRingTakesNoMoreAndItsReaderFinishes() throws {
    let directory = try ScratchDirectory()
    let producer = try makeProducer(directory.ring(), slots: 3)
    let reader = try makeConsumer(directory.ring())
    try produceOne(producer)
    let reservation = try #require(try producer.reserve(timeout: .zero))
    producer.finish()
    #expect(directory.files == [])
    #expect(ringError { _ = try producer.reserve(timeout: .zero) }?.kind == .state)
    #expect(ringError { _ = try producer.renew(timeout: .zero) }?.kind == .state)
    #expect(try producer.publish(reservation, epoch: 0, step: 0, count: 2) == false)
    #expect(try reader.next(timeout: .zero)?.number == 0)
    #expect(ringError { _ = try reader.next(timeout: .zero) }?.kind == .absent)
    producer.close()
  }

  /// A producer that dies while it makes its ring anew is a dead producer like any other.
  @Test(
    arguments: [RingStep.segmentReserved, .segmentWritten, .segmentNamed, .segmentVisible])
  func aDeathWhileARingIsMadeAnewLosesNothing(step: RingStep) throws {
    let directory = try ScratchDirectory()
    let location = directory.ring()
    let arrivals = Arrivals(step)
    let producer = try makeProducer(location, slots: 2, hook: { arrivals.isSecond($0) })
    let reader = try makeConsumer(location)
    try produceOne(producer)
    try reader.release(#require(try reader.next(timeout: .zero)))
    #expect(ringError { _ = try producer.renew(timeout: .zero) }?.kind == .abandoned)
    producer.abandon()
    let successor = try makeProducer(location, slots: 2)
    try produceOne(successor)
    #expect(try reader.next(timeout: .zero)?.number == 1)
    successor.close()
    #expect(directory.files == [])
  }
}

/// Says when a step of the protocol is reached for the second time.
private final class Arrivals: Sendable {
  private let step: RingStep
  private let lock = NSLock()
  /// Guarded by `lock`.
  private nonisolated(unsafe) var count = 0

  init(_ step: RingStep) { self.step = step }

  func isSecond(_ reached: RingStep) -> Bool {
    // No ring has a predecessor at first, so that one step is reached only when it is made anew.
    let wanted = step == .segmentNamed ? 1 : 2
    return lock.withLock {
      if reached == step { count += 1 }
      return reached == step && count == wanted
    }
  }
}

extension Scribbler {
  fileprivate func write(word offset: Int, bytes: Int, _ value: UInt64) throws {
    try write(Array(withUnsafeBytes(of: value.littleEndian) { $0.prefix(bytes) }), at: offset)
  }
}
