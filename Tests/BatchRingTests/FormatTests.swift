import BatchRing
import CSASSLRing
import Foundation
import Testing

@Suite struct FormatTests {
  /// The layout that readers in other languages rely on, rows of zeros left out, bytes that differ from run to run dotted.
  /// A change here needs another docs/ring-format.md and, unless it gives a meaning to what was zero, another ABI version.
  private static let golden = """
    0000  53 41 53 53 4c 52 4e 47 01 00 00 00 04 03 02 01
    0010  .. .. .. .. .. .. .. .. .. .. .. .. .. .. .. ..
    0020  00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f
    0030  10 11 12 13 14 15 16 17 18 19 1a 1b 1c 1d 1e 1f
    0040  00 10 00 00 02 00 00 00 02 00 00 00 02 00 00 00
    0050  00 11 00 00 00 00 00 00 00 20 00 00 00 00 00 00
    0060  00 10 00 00 00 00 00 00 50 00 00 00 00 00 00 00
    0070  00 40 00 00 00 00 00 00 01 00 00 00 03 00 00 00
    0080  34 12 00 00 00 00 00 00 .. .. .. .. 03 00 00 00
    0090  .. .. .. .. .. .. .. .. .. .. .. .. .. .. .. ..
    00a0  .. .. .. .. .. .. .. .. 67 6f 6c 64 65 6e 00 00
    00e0  00 00 00 00 00 00 00 00 80 11 00 00 00 00 00 00
    00f0  18 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
    0100  01 00 00 00 00 00 00 00 06 00 00 00 00 00 00 00
    0110  00 00 00 00 00 00 00 00 .. .. .. .. .. .. .. ..
    0130  00 00 00 00 00 00 00 00 01 00 00 00 01 00 00 00
    0210  05 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
    0240  .. .. .. .. .. .. .. .. .. .. .. .. .. .. .. ..
    0250  .. .. .. .. 01 00 00 00 00 00 00 00 00 00 00 00
    1000  76 69 65 77 30 00 00 00 00 00 00 00 00 00 00 00
    1020  01 00 00 00 04 00 00 00 02 00 00 00 00 00 00 00
    1030  02 00 00 00 00 00 00 00 02 00 00 00 00 00 00 00
    1040  03 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
    1070  18 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
    1080  6c 61 62 65 6c 00 00 00 00 00 00 00 00 00 00 00
    10a0  08 00 00 00 01 00 00 00 02 00 00 00 00 00 00 00
    10e0  00 00 00 00 00 00 00 00 40 00 00 00 00 00 00 00
    10f0  10 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
    1100  05 00 00 00 00 00 00 00 08 00 00 00 00 00 00 00
    1110  09 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
    1120  00 00 00 00 00 00 00 00 02 00 00 00 e2 c8 23 a9
    1130  .. .. .. .. .. .. .. .. 77 00 00 00 00 00 00 00
    1180  73 74 72 65 61 6d 2e 73 65 65 64 20 3d 20 31 0a
    1190  73 69 64 65 20 3d 20 34
    """

  private func hexdump(_ bytes: [UInt8], masked: [Range<Int>]) -> String {
    stride(from: 0, to: bytes.count, by: 16).compactMap { row -> String? in
      let line = bytes[row..<min(row + 16, bytes.count)]
      guard line.contains(where: { $0 != 0 }) else { return nil }
      let digits = line.indices.map { index in
        masked.contains { $0.contains(index) } ? ".." : hexadecimal(line[index], digits: 2)
      }
      return hexadecimal(row, digits: 4) + "  " + digits.joined(separator: " ")
    }.joined(separator: "\n")
  }

  private func hexadecimal(_ number: some BinaryInteger, digits: Int) -> String {
    let text = String(number, radix: 16)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
  }

  @Test(.enabled(if: getpagesize() == 4096, "the golden layout is that of 4096-byte pages"))
  func theLayoutIsTheOneThatIsDocumented() throws {
    let directory = try ScratchDirectory()
    let location = directory.ring("golden", rank: 1)
    let producer = try RingProducer(
      at: location, slotCount: 2, batchSize: 2, fields: smallFields, fingerprint: Array(0..<32),
      settings: "stream.seed = 1\nside = 4", worldSize: 3, batchesPerEpoch: 0x1234, cpuPath: .avx512,
      start: .batch(5))
    let consumer = try RingConsumer(at: location)
    let reservation = try #require(try producer.reserve(timeout: .zero))
    fill(reservation)
    try producer.publish(reservation, epoch: 8, step: 9, count: 2, production: .nanoseconds(0x77))
    let file = try [UInt8](#require(FileManager.default.contents(atPath: location.path())))
    // Instance, producer and its clocks, heartbeat, reader, time of publication.
    let varying = [0x10..<0x20, 0x88..<0x8c, 0x90..<0xa8, 0x118..<0x120, 0x240..<0x254, 0x1130..<0x1138]
    let settingsEnd = 0x1000 + 2 * 128 + 2 * 64 + 24
    #expect(hexdump(Array(file.prefix(settingsEnd)), masked: varying) == Self.golden)
    #expect(file.count == 0x4000)
    withExtendedLifetime(consumer) {}
  }

  @Test func aRingTellsItsGeometry() throws {
    let directory = try ScratchDirectory()
    let location = directory.ring("geometry", rank: 1)
    let producer = try RingProducer(
      at: location, slotCount: 3, batchSize: 4, fields: smallFields, fingerprint: plainFingerprint, worldSize: 2,
      batchesPerEpoch: 15, cpuPath: .avx2)
    let seen = try RingConsumer(at: location).geometry
    #expect(seen == producer.geometry)
    #expect(try RingObserver(at: location).geometry == seen)
    #expect(seen.name == "geometry")
    #expect(seen.slotCount == 3 && seen.batchSize == 4 && seen.rank == 1 && seen.worldSize == 2)
    #expect(seen.batchesPerEpoch == 15)
    #expect(seen.cpuPath == .avx2)
    #expect(seen.fields == smallFields)
    #expect(seen.fieldOffsets == [0, 64])
    #expect(seen.payloadBytes == 80)
    #expect(seen.fingerprint == plainFingerprint)
    #expect(seen.producerProcess == Int(getpid()))
    let needed = try RingProducer.segmentBytes(
      at: location, slotCount: 3, batchSize: 4, fields: smallFields, worldSize: 2)
    #expect(seen.segmentBytes == needed)
  }

  @Test(arguments: RingField.ElementType.allCases)
  func everyElementTypeHasItsSize(type: RingField.ElementType) throws {
    let directory = try ScratchDirectory()
    let field = RingField(name: "values", type: type, shape: [3, 5])
    let producer = try RingProducer(
      at: directory.ring(), slotCount: 1, batchSize: 1, fields: [field], fingerprint: plainFingerprint)
    let reservation = try #require(try producer.reserve(timeout: .zero))
    #expect(reservation["values"].count == 15 * type.byteCount)
    #expect(producer.geometry.fields == [field])
  }

  @Test func anArrayWithoutAxesIsOneElement() throws {
    let directory = try ScratchDirectory()
    let producer = try RingProducer(
      at: directory.ring(), slotCount: 1, batchSize: 1,
      fields: [RingField(name: "temperature", type: .float32, shape: [])], fingerprint: plainFingerprint)
    #expect(try #require(try producer.reserve(timeout: .zero))["temperature"].count == 4)
  }

  /// RFC 3720, appendix B.4, and the catalogue's check value.
  @Test func theChecksumIsThatOfTheStandard() {
    let cases: [(bytes: [UInt8], expected: UInt32)] = [
      ([UInt8](repeating: 0, count: 32), 0x8a91_36aa),
      ([UInt8](repeating: 0xff, count: 32), 0x62a8_ab43),
      (Array(0..<32), 0x46dd_794e),
      (Array((0..<32).reversed()), 0x113f_db5c),
      (Array("123456789".utf8), 0xe306_9283),
    ]
    for (bytes, expected) in cases {
      #expect(bytes.withUnsafeBytes { crc32c($0) } == expected)
      #expect(sassl_ring_crc32c_portable(0, bytes, bytes.count) == expected)
    }
  }

  @Test func bothChecksumPathsAgreeAtEveryLengthAndAlignment() {
    let bytes = (0..<40_000).map { UInt8(truncatingIfNeeded: $0 &* $0 &* 31 &+ $0 >> 3) }
    let lengths = Array(0..<80) + [4095, 12287, 12288, 12289, 12295, 24575, 24576, 36871, 39_990]
    bytes.withUnsafeBytes { bytes in
      for length in lengths {
        for start in 0..<9 {
          let part = UnsafeRawBufferPointer(rebasing: bytes[start..<start + length])
          #expect(crc32c(part) == sassl_ring_crc32c_portable(0, part.baseAddress, part.count))
          let half = length / 2
          let first = crc32c(UnsafeRawBufferPointer(rebasing: part[..<half]))
          #expect(crc32c(UnsafeRawBufferPointer(rebasing: part[half...]), continuing: first) == crc32c(part))
        }
      }
    }
  }
}
