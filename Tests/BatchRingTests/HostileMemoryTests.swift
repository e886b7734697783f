import BatchRing
import CSASSLRing
import Foundation
import Testing

/// Writes into a ring's file behind everybody's back.
struct Scribbler {
  let path: String

  func write(_ bytes: [UInt8], at offset: Int) throws {
    let handle = try #require(FileHandle(forUpdatingAtPath: path))
    try handle.seek(toOffset: UInt64(offset))
    try handle.write(contentsOf: bytes)
    try handle.close()
  }

  func write<Number: FixedWidthInteger>(_ number: Number, at offset: Int) throws {
    try write(withUnsafeBytes(of: number.littleEndian) { Array($0) }, at: offset)
  }
}

@Suite struct HostileMemoryTests {
  /// Every byte pattern that has ever broken a parser, in every word of header, field table, slot table and settings.
  @Test(arguments: [0x00, 0x01, 0x7f, 0x80, 0xff] as [UInt8])
  func noHeaderMakesAReaderTouchWhatIsNotThere(pattern: UInt8) throws {
    let directory = try ScratchDirectory()
    let location = directory.ring()
    let settings = "stream.seed = 1\n"
    let producer = try makeProducer(location, settings: settings)
    try produceOne(producer)
    let path = try location.path()
    let tables = 4096 + smallFields.count * 128 + 2 * 64 + settings.utf8.count
    let pristine = try [UInt8](#require(FileManager.default.contents(atPath: path))).prefix(tables)
    let scribbler = Scribbler(path: path)
    var refused = 0
    for width in [1, 4, 8] {
      for offset in stride(from: 0, to: tables, by: width) where offset < 768 || offset >= 4096 {
        try scribbler.write([UInt8](repeating: pattern, count: width), at: offset)
        // Whatever happens, it is a batch that can be read to its last byte, nothing, or a typed error.
        let error = ringError {
          let consumer = try makeConsumer(location)
          #expect(consumer.settings.utf8.count <= 3 * 65_536)  // what is not UTF-8 takes three bytes where it was one
          if let batch = try consumer.next(timeout: .zero) {
            _ = batch.payload.reduce(0) { $0 &+ Int($1) }
            for field in batch.geometry.fields { _ = batch[field.name]?.last }
          }
          try consumer.seek(to: 3)
          consumer.close()
        }
        if error != nil { refused += 1 }
        _ = ringError { _ = try RingObserver(at: location).batch(0) }
        try scribbler.write(Array(pristine[offset..<offset + width]), at: offset)
        try scribbler.write(Array(pristine[256..<768]), at: 256)  // what the reader writes
      }
    }
    #expect(refused > 50)
  }

  @Test(arguments: [0, 1, 7, 8, 4095, 4096, 4097, 8192, 12287, 16383, 16385])
  func aFileOfAnotherLengthIsNoRing(length: Int) throws {
    let directory = try ScratchDirectory()
    let location = directory.ring()
    let producer = try makeProducer(location)
    let bytes = try #require(FileManager.default.contents(atPath: location.path()))
    #expect(bytes.count == 16384)
    producer.close()
    var other = bytes.prefix(length)
    other.append(contentsOf: [UInt8](repeating: 0, count: max(0, length - bytes.count)))
    #expect(FileManager.default.createFile(atPath: try location.path(), contents: other))
    #expect(ringError { _ = try makeConsumer(location) }?.kind == .corrupt)
    #expect(ringError { _ = try RingObserver(at: location) }?.kind == .corrupt)
    // A producer makes short work of it.
    let successor = try makeProducer(location)
    #expect(!successor.isResumed)
  }

  /// The slot table ends at 4096 + 2 * 128 + 2 * 64 = 4480, and the payload begins at 8192.
  @Test(arguments: [
    (4480, 1, true), (4480, 3712, true), (8191, 1, true), (0, 0, true), (UInt64.max, 0, true),
    (4479, 1, false), (0, 1, false), (4096, 16, false), (4480, 3713, false), (8192, 1, false), (8191, 2, false),
    (4480, 65_537, false), (4480, UInt64.max, false), (UInt64.max, 1, false), (UInt64.max, UInt64.max, false),
    (1 << 63, 1 << 63, false), (UInt64.max - 4479, 4481, false),
  ])
  func settingsLieBetweenSlotTableAndPayload(offset: UInt64, bytes: UInt64, isSound: Bool) throws {
    let directory = try ScratchDirectory()
    let producer = try makeProducer(directory.ring())
    let scribbler = Scribbler(path: try directory.ring().path())
    try scribbler.write(offset, at: 232)
    try scribbler.write(bytes, at: 240)
    let error = ringError { _ = try makeConsumer(directory.ring()) }
    #expect((error == nil) == isSound)
    #expect(error == nil || error?.kind == .corrupt && error?.description.contains("settings") == true)
    #expect((ringError { _ = try RingObserver(at: directory.ring()) } == nil) == isSound)
    withExtendedLifetime(producer) {}
  }

  /// No text keeps a reader from a stream that is its own, and none keeps it from learning that it is another.
  @Test(arguments: [
    [UInt8](repeating: 0, count: 64), [UInt8](repeating: 0xFF, count: 64), [UInt8](repeating: 0x80, count: 64),
    [UInt8](repeating: 0x0A, count: 64), Array(String(repeating: " = ", count: 22).utf8.prefix(64)),
    Array(String(repeating: "=", count: 64).utf8), Array("a = \u{0}b".utf8) + [UInt8](repeating: 0xC3, count: 58),
  ])
  func anyTextWillDoForSettings(text: [UInt8]) throws {
    let directory = try ScratchDirectory()
    func scribble() throws { try Scribbler(path: try directory.ring().path()).write(text, at: 4480) }
    let settings = String(repeating: "key = 1\n", count: 8)
    let first = try makeProducer(directory.ring(), settings: settings)
    try scribble()
    try produceOne(first)
    let consumer = try makeConsumer(directory.ring())
    let honest = String(decoding: text.prefix { $0 != 0 }, as: UTF8.self)
    #expect(consumer.settings == honest)
    #expect(try consumer.next(timeout: .zero).map(isIntact) == true)
    first.abandon()
    for settings in [settings, ""] {
      let successor = try makeProducer(
        directory.ring(), fingerprint: [UInt8](repeating: 9, count: 32), settings: settings)
      #expect(ringError { _ = try consumer.next(timeout: .zero) }?.kind == .changed)
      if !settings.isEmpty { try scribble() }
      #expect(ringError { _ = try consumer.next(timeout: .zero) }?.kind == .changed)
      successor.close()
    }
  }

  @Test func aDirectoryOrAPipeInTheWayIsNoRing() throws {
    let directory = try ScratchDirectory()
    let location = directory.ring()
    try FileManager.default.createDirectory(atPath: location.path(), withIntermediateDirectories: false)
    #expect(ringError { _ = try makeProducer(location) } != nil)
    #expect(ringError { _ = try makeConsumer(location) } != nil)
    #expect(ringError { _ = try RingObserver(at: location) }?.kind == .corrupt)
    try FileManager.default.removeItem(atPath: location.path())
    #expect(mkfifo(try location.path(), 0o600) == 0)
    #expect(ringError { _ = try makeProducer(location) }?.kind == .corrupt)
    #expect(ringError { _ = try makeConsumer(location) }?.kind == .corrupt)
    #expect(ringError { _ = try RingObserver(at: location) } != nil)
  }

  @Test func anotherFormatVersionIsNamed() throws {
    let directory = try ScratchDirectory()
    let producer = try makeProducer(directory.ring())
    try Scribbler(path: directory.ring().path()).write(UInt32(2), at: 8)
    let error = ringError { _ = try makeConsumer(directory.ring()) }
    #expect(error?.kind == .version)
    #expect(error?.description.contains("format 2") == true)
    #expect(error?.description.contains("format 1") == true)
    withExtendedLifetime(producer) {}
  }

  @Test(arguments: [UInt64(4), UInt64.max, 1])
  func aReaderThatScribblesOverItsCounterIsNoticed(released: UInt64) throws {
    let directory = try ScratchDirectory()
    let producer = try makeProducer(directory.ring(), slots: 3)
    for _ in 0..<3 { try produceOne(producer) }
    let consumer = try makeConsumer(directory.ring())
    for _ in 0..<2 { try consumer.release(#require(try consumer.next(timeout: .zero))) }
    try produceOne(producer)  // has seen 2 released of 4 published
    let impossible = released == 4 ? 5 : released
    try Scribbler(path: directory.ring().path()).write(impossible, at: 512)
    #expect(ringError { _ = try producer.reserve(timeout: .zero) }?.kind == .corrupt)
    producer.close()
    #expect(directory.files == [])
  }

  @Test func anImpossibleSeekIsNoticed() throws {
    let directory = try ScratchDirectory()
    let producer = try makeProducer(directory.ring())
    let scribbler = Scribbler(path: try directory.ring().path())
    try scribbler.write(UInt64.max, at: 512 + 24)
    try scribbler.write(UInt64(1), at: 512 + 32)
    #expect(ringError { _ = try producer.reserve(timeout: .zero) }?.kind == .corrupt)
  }

  @Test func aDamagedBatchIsToldAndMadeAnew() throws {
    let directory = try ScratchDirectory()
    let producer = try makeProducer(directory.ring(), slots: 3)
    let consumer = try makeConsumer(directory.ring())
    for _ in 0..<2 { try produceOne(producer) }
    try Scribbler(path: directory.ring().path()).write(UInt8(1) ^ patternByte(0, 9), at: 8192 + 9)
    #expect(ringError { _ = try RingObserver(at: directory.ring()).batch(0) }?.kind == .checksum)
    #expect(ringError { _ = try consumer.next(timeout: .zero) }?.kind == .checksum)
    while try consumer.next(timeout: .zero) == nil { try produceOne(producer) }
    #expect(consumer.position == 1)
  }
}
