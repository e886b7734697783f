import BatchRing
import Testing

/// Everything that either side can do to a small ring, in every order.
private enum Action: CaseIterable {
  case reserve, publishOldest, publishNewest, cancelNewest, killProducer
  case next, releaseOldest, releaseNewest, makeRoom, seekBack, seekAhead, killConsumer, detachUnread, detachRead
}

/// A ring, what is out of it, and what the stream's contract says must come next.
private final class RingHarness {
  let location: RingLocation
  let slots: Int
  var producer: RingProducer
  var consumer: RingConsumer
  var reservations: [RingReservation] = []
  var held: [RingBatch] = []
  /// Batches that are referred to although their reader has gone, and the readers.
  var outliving: [(batch: RingBatch, reader: RingConsumer)] = []
  /// For messages.
  var done: [Action] = []
  /// Number that the reader must get next.
  var expected: UInt64 = 0
  /// Lowest number that was not given back since the last seek: where a new reader continues.
  var unreleased: [UInt64] = []
  var continuation: UInt64 { unreleased.first ?? expected }

  init(_ directory: ScratchDirectory, slots: Int) throws {
    location = directory.ring()
    self.slots = slots
    producer = try makeProducer(location, slots: slots)
    consumer = try makeConsumer(location)
  }

  func publish(_ reservation: RingReservation) throws {
    fill(reservation)
    try producer.publish(reservation, epoch: 0, step: reservation.number, count: 2)
  }

  func receive() throws -> Bool {
    guard let batch = try consumer.next(timeout: .zero) else { return false }
    #expect(batch.number == expected, "after \(done)")
    #expect(isIntact(batch))
    held.append(batch)
    unreleased.append(batch.number)
    expected = batch.number + 1
    return true
  }

  func release(_ index: Int) throws {
    let batch = held.remove(at: index)
    try consumer.release(batch)
    unreleased.removeAll { $0 == batch.number }
  }

  func seek(to number: UInt64) throws {
    try consumer.seek(to: number)
    expected = number
    unreleased = []
  }

  func perform(_ action: Action) throws {
    done.append(action)
    switch action {
    case .reserve:
      if let reservation = try producer.reserve(timeout: .zero) { reservations.append(reservation) }
      #expect(reservations.count <= slots)
    case .publishOldest: if !reservations.isEmpty { try publish(reservations.removeFirst()) }
    case .publishNewest: if let last = reservations.popLast() { try publish(last) }
    case .cancelNewest: if let last = reservations.popLast() { try producer.cancel(last) }
    case .killProducer:
      producer.abandon()
      reservations = []
      producer = try makeProducer(location, slots: slots)
    case .next: _ = try receive()
    case .releaseOldest: if !held.isEmpty { try release(0) }
    case .releaseNewest: if !held.isEmpty { try release(held.count - 1) }
    case .makeRoom: try consumer.makeRoom()
    case .seekBack: try seek(to: 0)
    case .seekAhead: try seek(to: expected + 7)
    case .killConsumer:
      consumer.abandon()
      held = []
      consumer = try makeConsumer(location)
      expected = continuation
      unreleased = []
    case .detachUnread: try detach(countsAsRead: false)
    case .detachRead: try detach(countsAsRead: true)
    }
  }

  func detach(countsAsRead: Bool) throws {
    try consumer.detach(countsAsRead: countsAsRead)
    outliving += held.map { ($0, consumer) }
    held = []
    consumer = try makeConsumer(location)
    if !countsAsRead { expected = continuation }
    unreleased = []
  }

  /// What is referred to is what it was, whatever has become of its slot and of its reader.
  func expectEverythingHeldIsIntact() {
    for batch in held + outliving.map(\.batch) { #expect(isIntact(batch), "after \(done)") }
  }

  /// From any state, once both sides do their part the stream goes on: no slot is lost, no wait is in vain.
  func flowsOn() throws {
    for reservation in reservations { try publish(reservation) }
    reservations = []
    expectEverythingHeldIsIntact()
    while !held.isEmpty { try release(0) }
    let goal = expected + UInt64(2 * slots + 2)
    // Each turn publishes or receives something; a seek may cost a ring of stale batches and one turn to be noticed.
    for _ in 0..<(8 * slots + 16) where expected < goal {
      try produceOne(producer)
      if try receive() { try release(0) }
    }
    #expect(expected == goal)
    expectEverythingHeldIsIntact()
    for (batch, reader) in outliving { try reader.release(batch) }
    let counters = producer.counters
    #expect(counters.producing == 0)
    #expect(counters.leased == 0)
  }

  func close() {
    consumer.close()
    producer.close()
  }
}

@Suite struct StateSpaceTests {
  @Test(arguments: [(1, 4), (2, 4), (3, 4)])
  func everyShortHistoryKeepsTheStreamInOrderAndLosesNoSlot(slots: Int, length: Int) throws {
    let directory = try ScratchDirectory()
    let actions = Action.allCases
    var digits = [Int](repeating: 0, count: length)
    var histories = 0
    repeat {
      let harness = try RingHarness(directory, slots: slots)
      let history = digits.map { actions[$0] }
      do {
        for action in history { try harness.perform(action) }
        try harness.flowsOn()
      } catch {
        Issue.record("after \(history) with \(slots) slots: \(error)")
      }
      harness.close()
      histories += 1
      guard directory.files.isEmpty else {
        Issue.record("after \(history): \(directory.files) left behind")
        return
      }
    } while advance(&digits, base: actions.count)
    #expect(histories == (0..<length).reduce(1) { product, _ in product * actions.count })
  }

  /// Counts up; false after the last number.
  private func advance(_ digits: inout [Int], base: Int) -> Bool {
    for index in digits.indices.reversed() {
      digits[index] += 1
      if digits[index] < base { return true }
      digits[index] = 0
    }
    return false
  }

  @Test func batchesArePublishedInOrderWhateverOrderTheyAreFinishedIn() throws {
    let directory = try ScratchDirectory()
    let producer = try makeProducer(directory.ring(), slots: 4)
    let consumer = try makeConsumer(directory.ring())
    let reservations = try (0..<4).map { _ in try #require(try producer.reserve(timeout: .zero)) }
    for index in [2, 1, 3] {
      fill(reservations[index])
      try producer.publish(reservations[index], epoch: 0, step: 0, count: 2)
      #expect(try consumer.next(timeout: .zero) == nil)
    }
    fill(reservations[0])
    try producer.publish(reservations[0], epoch: 0, step: 0, count: 2)
    for number in 0..<UInt64(4) { #expect(try consumer.next(timeout: .zero)?.number == number) }
  }

  @Test func aSeekVoidsWhatIsBeingMade() throws {
    let directory = try ScratchDirectory()
    let producer = try makeProducer(directory.ring(), slots: 3)
    let consumer = try makeConsumer(directory.ring())
    let overtaken = try #require(try producer.reserve(timeout: .zero))
    try consumer.seek(to: 1_000_000)
    #expect(overtaken.isVoid)
    #expect(try producer.publish(overtaken, epoch: 0, step: 0, count: 2) == false)
    #expect(try produceOne(producer) == 1_000_000)
    #expect(try consumer.next(timeout: .zero)?.number == 1_000_000)
  }

  @Test func aReaderThatComesBackForABatchInTheRingCostsNoSeek() throws {
    let directory = try ScratchDirectory()
    let producer = try makeProducer(directory.ring(), slots: 4)
    for _ in 0..<4 { try produceOne(producer) }
    let consumer = try makeConsumer(directory.ring(), start: 2)
    #expect(try consumer.next(timeout: .zero)?.number == 2)
    #expect(producer.counters.seekRequested == 0)
    #expect(producer.counters.dropped == 2)
  }

  @Test func aRestartedProducerBeginsWhereTheReaderStood() throws {
    let directory = try ScratchDirectory()
    let first = try makeProducer(directory.ring(), slots: 3)
    let consumer = try makeConsumer(directory.ring())
    for _ in 0..<3 { try produceOne(first) }
    for _ in 0..<2 { try consumer.release(#require(try consumer.next(timeout: .zero))) }
    first.abandon()
    let second = try makeProducer(directory.ring(), slots: 5, start: .resume(else: 99))
    #expect(second.isResumed)
    #expect(second.startBatch == 2)
    second.abandon()
    let other = try makeProducer(
      directory.ring(), start: .resume(else: 99), fingerprint: [UInt8](repeating: 8, count: 32))
    #expect(!other.isResumed)
    #expect(other.startBatch == 99)
  }

  @Test func aReaderFinishesWhatADeadProducerHadPublished() throws {
    let directory = try ScratchDirectory()
    let producer = try makeProducer(directory.ring(), slots: 3)
    let consumer = try makeConsumer(directory.ring())
    for _ in 0..<3 { try produceOne(producer) }
    producer.close()
    #expect(directory.files == [])
    for number in 0..<UInt64(3) { #expect(try consumer.next(timeout: .zero)?.number == number) }
    #expect(ringError { _ = try consumer.next(timeout: .zero) }?.kind == .absent)
  }
}
