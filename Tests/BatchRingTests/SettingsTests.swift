import BatchRing
import CSASSLRing
import Foundation
import Testing

/// What the reader of a changed ring is told, and how many settings are different.
private func difference(_ former: String, _ present: String, capacity: Int = 4096) -> (words: String, count: Int) {
  // A byte more than the function may write to, to see that it does not.
  var bytes = [CChar](repeating: 1, count: capacity + 1)
  let count = sassl_ring_settings_difference(former, present, &bytes, capacity)
  #expect(bytes[capacity] == 1)
  let words = bytes.prefix(capacity).prefix { $0 != 0 }
  #expect(capacity == 0 || words.count < capacity)
  return (String(decoding: words.map(UInt8.init(bitPattern:)), as: UTF8.self), count)
}

@Suite struct SettingsTests {
  @Test func aRingCarriesItsSettings() throws {
    let directory = try ScratchDirectory()
    let settings = "stream.seed = 1\nstyle.model = hash 7, \"/models/Zürich\"\n"
    let producer = try makeProducer(directory.ring(), settings: settings)
    let consumer = try makeConsumer(directory.ring())
    #expect(consumer.settings == settings)
    try produceOne(producer)
    #expect(try consumer.next(timeout: .zero).map(isIntact) == true)
    withExtendedLifetime(producer) {}
  }

  @Test func aRingNeedNotHaveSettings() throws {
    let directory = try ScratchDirectory()
    let producer = try makeProducer(directory.ring())
    #expect(try makeConsumer(directory.ring()).settings == "")
    withExtendedLifetime(producer) {}
  }

  /// One byte less than a page's remainder, the remainder, one byte more; the most there may be.
  @Test(arguments: [1, 4096 - 384 - 1, 4096 - 384, 4096 - 384 + 1, 65_536])
  func settingsOfAnyLengthLeaveThePayloadAlone(length: Int) throws {
    let directory = try ScratchDirectory()
    let settings = String(repeating: "s", count: length)
    let producer = try makeProducer(directory.ring(), settings: settings)
    let consumer = try makeConsumer(directory.ring())
    for _ in 0..<4 {
      try produceOne(producer)
      let batch = try #require(try consumer.next(timeout: .zero))
      #expect(isIntact(batch))
      try consumer.release(batch)
    }
    #expect(consumer.settings == settings)
    let plain = try makeProducer(directory.ring("plain")).geometry.segmentBytes
    #expect(producer.geometry.segmentBytes == plain + UInt64((384 + length - 1) / 4096 * 4096))
  }

  @Test func moreThanSettingsMayBeIsRefused() throws {
    let directory = try ScratchDirectory()
    let error = ringError {
      _ = try makeProducer(directory.ring(), settings: String(repeating: "s", count: 65_537))
    }
    #expect(error?.kind == .argument)
    #expect(error?.description.contains("at most 65536 bytes, not 65537") == true)
    #expect(directory.files == [])
  }

  @Test func anotherStreamIsRefusedByTheNamesOfWhatChanged() throws {
    let directory = try ScratchDirectory()
    let first = try makeProducer(directory.ring(), settings: "stream.seed = 1\nside = 224\nstyle.group = 8\n")
    let consumer = try makeConsumer(directory.ring())
    first.abandon()
    let other = [UInt8](repeating: 9, count: 32)
    let second = try makeProducer(
      directory.ring(), fingerprint: other, settings: "stream.seed = 2\nside = 224\nstyles = 3 styles\n")
    let error = ringError { _ = try consumer.next(timeout: .zero) }
    #expect(error?.kind == .changed)
    let words = "stream.seed was 1 and is 2; style.group was 8 and is unset; styles was unset and is 3 styles"
    #expect(error?.description.contains(": \(words). Restart it with the former configuration") == true)
    #expect(consumer.settings.hasPrefix("stream.seed = 1\n"))  // still those of the instance that it reads

    // Doing what the message says helps.
    second.close()
    let third = try makeProducer(directory.ring(), settings: "stream.seed = 1\nside = 224\nstyle.group = 8\n")
    try produceOne(third)
    #expect(try consumer.next(timeout: .zero)?.number == 0)
  }

  @Test func whoAcceptsAChangeHasTheNewSettingsFromThenOn() throws {
    let directory = try ScratchDirectory()
    let first = try makeProducer(directory.ring(), settings: "stream.seed = 1\n")
    let consumer = try RingConsumer(at: directory.ring(), absenceTimeout: .zero, acceptChange: true)
    first.abandon()
    let second = try makeProducer(
      directory.ring(), fingerprint: [UInt8](repeating: 9, count: 32), settings: "stream.seed = 2\n")
    try produceOne(second)
    #expect(try consumer.next(timeout: .zero)?.number == 0)
    #expect(consumer.settings == "stream.seed = 2\n")
  }

  @Test(arguments: ["", "stream.seed = 1\n"])
  func aProducerThatDoesNotSayIsRefusedAllTheSame(settings: String) throws {
    let directory = try ScratchDirectory()
    let first = try makeProducer(directory.ring(), settings: settings)
    let consumer = try makeConsumer(directory.ring())
    first.abandon()
    let second = try makeProducer(directory.ring(), fingerprint: [UInt8](repeating: 9, count: 32))
    let error = ringError { _ = try consumer.next(timeout: .zero) }
    #expect(error?.kind == .changed)
    #expect(error?.description.hasPrefix("sassld came back with another stream. Restart it") == true)
    withExtendedLifetime(second) {}
  }

  @Test(arguments: [
    ("a = 1\nb = 2\n", "a = 1\nb = 2\n", "", 0),
    ("a = 1\nb = 2\n", "b = 2\na = 1\n", "", 0),
    ("a = 1\nb = 2\n", "a = 1\nb = 2", "", 0),
    ("a = 1\n", "a = 2\n", "a was 1 and is 2", 1),
    ("a = 1\nb = 2\n", "b = 3\na = 0\n", "a was 1 and is 0; b was 2 and is 3", 2),
    ("a = 1\n", "b = 1\n", "a was 1 and is unset; b was unset and is 1", 2),
    ("a = \n", "a = 1\n", "a was  and is 1", 1),
    ("a = b = c\n", "a = b = d\n", "a was b = c and is b = d", 1),
    ("ab = 1\n", "a = 1\nab = 2\n", "ab was 1 and is 2; a was unset and is 1", 2),
    // Nothing is known of a ring or a state without settings.
    ("", "a = 1\n", "", 0),
    ("a = 1\n", "", "", 0),
    ("", "", "", 0),
    // Lines that are no settings.
    ("a\n\n=\na=1\nb = 1", "\n\n\nb = 2\nb", "b was 1 and is 2", 1),
    ("no setting at all", "a = 1", "a was unset and is 1", 1),
    // A terminal would obey these.
    ("a = \u{1B}[2J\n", "a = 1\u{7F}\r\n", "a was ?[2J and is 1??", 1),
    ("a = \u{9B}2J\n", "a = \u{A0}é\n", "a was ?2J and is \u{A0}é", 1),
  ])
  func theDifferenceOfTwoTextsIsASentence(former: String, present: String, words: String, count: Int) {
    #expect(difference(former, present) == (words, count))
  }

  @Test func longValuesAreCutBetweenCharacters() {
    let long = String(repeating: "é", count: 200)
    let (words, count) = difference("a = \(long)\n", "a = x\(long)\n")
    #expect(count == 1)
    let shown = String(repeating: "é", count: 40)
    #expect(words == "a was \(shown)... and is x\(shown.dropLast())... ".dropLast())
  }

  @Test func whatDoesNotFitIsCounted() {
    let former = (0..<100).map { "key\($0) = 1\n" }.joined()
    let present = (0..<100).map { "key\($0) = 2\n" }.joined()
    for capacity in [64, 100, 200, 1000] {
      let (words, count) = difference(former, present, capacity: capacity)
      #expect(count == 100)
      let named = words.split(separator: ";").dropLast()
      #expect(Array(named.enumerated()).allSatisfy { $1.hasSuffix("key\($0) was 1 and is 2") })
      #expect(!named.isEmpty && words.hasSuffix("; and \(100 - named.count) more"))
    }
    #expect(difference(former, present, capacity: 4096).words.hasSuffix("key99 was 1 and is 2"))
    #expect(difference(former, present, capacity: 40).words == "100 settings differ")
    #expect(difference(former, present, capacity: 1) == ("", 100))
    #expect(difference(former, present, capacity: 0) == ("", 100))
  }
}
