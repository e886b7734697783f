import BatchRing
import CSASSLRing
import Foundation
import Testing

@Suite struct OwnershipTests {
  @Test func aSecondProducerIsRefusedAndToldWhoHoldsTheRing() throws {
    let directory = try ScratchDirectory()
    let first = try makeProducer(directory.ring())
    let error = ringError { _ = try makeProducer(directory.ring()) }
    #expect(error?.kind == .busy)
    #expect(error?.holderProcess == Int(getpid()))
    #expect(error?.description.contains("process \(getpid())") == true)
    try produceOne(first)  // and the first has noticed nothing
    #expect(directory.files == ["sassl.test.0"])
  }

  @Test func aSecondReaderIsRefusedAndToldWhoReads() throws {
    let directory = try ScratchDirectory()
    let producer = try makeProducer(directory.ring())
    let first = try makeConsumer(directory.ring())
    let error = ringError { _ = try makeConsumer(directory.ring()) }
    #expect(error?.kind == .busy)
    #expect(error?.holderProcess == Int(getpid()))
    first.close()
    let second = try makeConsumer(directory.ring())
    try produceOne(producer)
    #expect(try second.next(timeout: .zero)?.number == 0)
  }

  @Test func ringsOfOtherRanksAndNamesAreNotInTheWay() throws {
    let directory = try ScratchDirectory()
    let rings = try ["a", "b"].flatMap { name in
      try (0..<2).map { rank in
        try RingProducer(
          at: directory.ring(name, rank: rank), slotCount: 1, batchSize: 1, fields: smallFields,
          fingerprint: plainFingerprint, worldSize: 2)
      }
    }
    #expect(directory.files == ["sassl.a.0", "sassl.a.1", "sassl.b.0", "sassl.b.1"])
    for ring in rings { ring.close() }
    #expect(directory.files == [])
  }

  @Test(arguments: ["", "../escape", "a/b", "a.b", "a b", "ä", ".", "a\n", String(repeating: "x", count: 64)])
  func aNameThatCouldLeaveTheDirectoryIsRefused(name: String) throws {
    let directory = try ScratchDirectory()
    let location = directory.ring(name)
    #expect(ringError { _ = try location.path() }?.kind == .argument)
    #expect(ringError { _ = try makeProducer(location) }?.kind == .argument)
    #expect(ringError { _ = try makeConsumer(location) }?.kind == .argument)
    #expect(ringError { _ = try RingObserver(at: location) }?.kind == .argument)
    #expect(directory.files == [])
  }

  @Test func aSymbolicLinkIsNeverFollowed() throws {
    let directory = try ScratchDirectory()
    let elsewhere = try ScratchDirectory()
    let victim = elsewhere.path + "/victim"
    #expect(FileManager.default.createFile(atPath: victim, contents: Data("precious".utf8)))
    try FileManager.default.createSymbolicLink(
      atPath: directory.ring().path(), withDestinationPath: victim)
    for error in [
      ringError { _ = try makeProducer(directory.ring()) }, ringError { _ = try makeConsumer(directory.ring()) },
      ringError { _ = try RingObserver(at: directory.ring()) },
    ] {
      #expect(error?.kind == .system)
      #expect(error?.systemErrorNumber == ELOOP)
    }
    #expect(FileManager.default.contents(atPath: victim) == Data("precious".utf8))
  }

  @Test func onlyItsOwnerMayTouchTheRing() throws {
    let directory = try ScratchDirectory()
    let previous = umask(0)  // whatever the umask is
    let producer = try makeProducer(directory.ring())
    umask(previous)
    let attributes = try FileManager.default.attributesOfItem(atPath: directory.ring().path())
    #expect(attributes[.posixPermissions] as? Int == 0o600)
    withExtendedLifetime(producer) {}
  }

  @Test(.enabled(if: getuid() == 0, "only root may give files away"))
  func aFileOfAnotherUserIsNotReplacedAndItsOwnerIsNamed() throws {
    let directory = try ScratchDirectory()
    let path = try directory.ring().path()
    try makeProducer(directory.ring()).abandon()
    let stranger = try #require(getpwnam("nobody")).pointee
    #expect(chown(path, stranger.pw_uid, stranger.pw_gid) == 0)
    for error in [
      ringError { _ = try makeProducer(directory.ring()) }, ringError { _ = try makeConsumer(directory.ring()) },
      ringError { _ = try RingObserver(at: directory.ring()) },
    ] {
      #expect(error?.kind == .owner)
      #expect(error?.description.contains("'nobody' (\(stranger.pw_uid))") == true, "\(error?.description ?? "")")
      #expect(error?.description.contains("stream.name") == true)
    }
    var status = stat()
    #expect(stat(path, &status) == 0 && status.st_uid == stranger.pw_uid)
  }

  /// A producer that dies before its file has replaced its predecessor's leaves it under a temporary name.
  @Test(.enabled(if: getuid() == 0, "only root may give files away"))
  func temporariesAreTidiedUpAndThoseOfOthersAreNotInTheWay() throws {
    let directory = try ScratchDirectory()
    let path = try directory.ring().path()
    for name in [path + ".next", path + ".next-0123456789abcdef", path + ".next-foreign"] {
      #expect(FileManager.default.createFile(atPath: name, contents: Data()))
    }
    #expect(chown(path + ".next-foreign", 54321, 54321) == 0)
    try makeProducer(directory.ring()).abandon()
    let dead = ringError {
      _ = try makeProducer(directory.ring(), hook: { $0 == .segmentNamed })
    }
    #expect(dead?.kind == .abandoned)
    #expect(directory.files.count == 3)
    let successor = try makeProducer(directory.ring())
    #expect(directory.files == ["sassl.test.0", "sassl.test.0.next-foreign"])
    withExtendedLifetime(successor) {}
  }

  @Test(.enabled(if: getuid() == 0, "only root may give files to any group"))
  func theRingBelongsToTheConfiguredGroup() throws {
    let directory = try ScratchDirectory()
    let producer = try RingProducer(
      at: directory.ring(), slotCount: 1, batchSize: 1, fields: smallFields, fingerprint: plainFingerprint, group: 54321
    )
    let attributes = try FileManager.default.attributesOfItem(atPath: directory.ring().path())
    #expect(attributes[.groupOwnerAccountID] as? Int == 54321)
    #expect(attributes[.posixPermissions] as? Int == 0o660)
    withExtendedLifetime(producer) {}
  }

  @Test func aRingThatCannotFitNamesWhatItNeedsAndWhatThereIs() throws {
    let directory = try ScratchDirectory()
    // More than the whole file system, so that it is refused before a page is taken from anybody.
    var fileSystem = statvfs()
    #expect(statvfs(directory.path, &fileSystem) == 0)
    let total = Int(fileSystem.f_blocks) * Int(fileSystem.f_frsize)
    let error = ringError {
      _ = try RingProducer(
        at: directory.ring(), slotCount: 2, batchSize: 1,
        fields: [RingField(name: "view0", type: .uint8, shape: [total])], fingerprint: plainFingerprint)
    }
    #expect(error?.kind == .space)
    #expect((error?.neededBytes ?? 0) > UInt64(2 * total))
    #expect((error?.availableBytes ?? .max) <= UInt64(total))
    #expect(error?.description.contains("Lower the number of slots") == true)
    #expect(directory.files == [])
  }

  @Test func aMissingDirectoryIsNamed() {
    let location = RingLocation(directory: "/nonexistent/ring", name: "test")
    let error = ringError { _ = try makeProducer(location) }
    #expect(error?.kind == .system)
    #expect(error?.description.contains("/nonexistent/ring") == true)
    #expect(ringError { _ = try makeConsumer(location) }?.kind == .absent)
  }

  @Test(arguments: [
    [RingField](), [RingField(name: "a b", type: .uint8, shape: [1])],
    [RingField(name: "a", type: .uint8, shape: [0])], [RingField(name: "a", type: .uint8, shape: [-1])],
    [RingField(name: "a", type: .uint8, shape: [1]), RingField(name: "a", type: .int8, shape: [1])],
    [RingField(name: "a", type: .float64, shape: [Int.max, 2])],
    [RingField(name: "a", type: .uint8, shape: [1, 1, 1, 1, 1, 1, 1, 1, 1])],
    [RingField(name: String(repeating: "n", count: 32), type: .uint8, shape: [1])],
  ])
  func arraysThatCannotBeAreRefused(fields: [RingField]) throws {
    let directory = try ScratchDirectory()
    let error = ringError {
      _ = try RingProducer(
        at: directory.ring(), slotCount: 1, batchSize: 1, fields: fields, fingerprint: plainFingerprint)
    }
    #expect(error?.kind == .argument)
  }

  @Test func aBatchIsGivenBackOnce() throws {
    let directory = try ScratchDirectory()
    let producer = try makeProducer(directory.ring())
    let reservation = try #require(try producer.reserve(timeout: .zero))
    try producer.publish(reservation, epoch: 0, step: 0, count: 1)
    #expect(ringError { try producer.publish(reservation, epoch: 0, step: 0, count: 1) }?.kind == .state)
    #expect(ringError { try producer.cancel(reservation) }?.kind == .state)
    let consumer = try makeConsumer(directory.ring())
    let batch = try #require(try consumer.next(timeout: .zero))
    try consumer.release(batch)
    #expect(ringError { try consumer.release(batch) }?.kind == .state)
  }

  @Test func moreSamplesThanABatchHasAreRefused() throws {
    let directory = try ScratchDirectory()
    let producer = try makeProducer(directory.ring())
    let reservation = try #require(try producer.reserve(timeout: .zero))
    #expect(ringError { try producer.publish(reservation, epoch: 0, step: 0, count: 3) }?.kind == .argument)
  }

  @Test func aStreamOfAnotherConfigurationIsNotMixedIn() throws {
    let directory = try ScratchDirectory()
    let first = try makeProducer(directory.ring())
    let careful = try makeConsumer(directory.ring())
    first.abandon()
    let other = [UInt8](repeating: 9, count: 32)
    let second = try makeProducer(directory.ring(), fingerprint: other)
    #expect(ringError { _ = try careful.next(timeout: .zero) }?.kind == .changed)
    careful.close()
    try produceOne(second)
    #expect(try makeConsumer(directory.ring()).next(timeout: .zero)?.number == 0)
  }

  @Test func anObserverSeesWithoutTakingPart() throws {
    let directory = try ScratchDirectory()
    let producer = try makeProducer(directory.ring(), slots: 3)
    for _ in 0..<3 { try produceOne(producer) }
    let observer = try RingObserver(at: directory.ring())
    #expect(observer.counters.producerIsAlive)
    #expect(!observer.counters.consumerIsAlive)
    let consumer = try makeConsumer(directory.ring())
    let batch = try #require(try consumer.next(timeout: .zero))
    #expect(observer.counters.consumerIsAlive)
    #expect(observer.counters.consumerProcess == Int(getpid()))
    #expect(observer.counters.ready == 2)
    #expect(observer.counters.leased == 1)
    #expect(observer.counters.nextBatch == 3)
    #expect(observer.entries.map(\.number) == [0, 1, 2])
    #expect(observer.entries.map(\.isLeased) == [true, false, false])
    let copy = try observer.batch(2)
    #expect(copy.payload == (0..<producer.geometry.payloadBytes).map { patternByte(2, $0) })
    try consumer.release(batch)
    #expect(observer.entries.map(\.number) == [1, 2])
    #expect(ringError { _ = try observer.batch(0) }?.kind == .absent)
    #expect(ringError { _ = try observer.batch(3) }?.kind == .absent)
    producer.abandon()
    #expect(!observer.counters.producerIsAlive)
    #expect(try RingObserver(at: directory.ring()).counters.published == 3)
  }

  @Test func anObserverLeavesMemoryAloneThatAReaderHasGivenBack() throws {
    let directory = try ScratchDirectory()
    let producer = try makeProducer(directory.ring(), slots: 3)
    let consumer = try RingConsumer(at: directory.ring(), verify: true, absenceTimeout: .seconds(60))
    try produceOne(producer)
    let batch = try #require(try consumer.next(timeout: .zero))
    producer.abandon()
    // Where it would wait for the next producer, the reader gives back what the dead one's batches took.
    #expect(try consumer.next(timeout: .zero) == nil)
    var before = stat()
    #expect(stat(try directory.ring().path(), &before) == 0)
    let observer = try RingObserver(at: directory.ring())
    #expect(observer.entries.map(\.number) == [0])
    #expect(ringError { _ = try observer.batch(0) }?.kind == .absent)
    var after = stat()
    #expect(stat(try directory.ring().path(), &after) == 0)
    #expect(after.st_blocks == before.st_blocks)
    #expect(isIntact(batch))
  }
}
