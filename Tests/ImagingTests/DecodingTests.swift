import Foundation
import Imaging
import Testing

@Suite("Decoding")
struct DecodingTests {
  @Test("gives Pillow's pixels for every kind of file", arguments: Goldens.files.entries)
  func matchesPillow(entry: Goldens.Entry) throws {
    let bytes = try [UInt8](Goldens.contents(of: try #require(entry.file)))
    let image = try ImageDecoder().decode(bytes)
    let expected = Goldens.files.image(entry)
    #expect((image.width, image.height) == (expected.width, expected.height))
    let difference = Difference(image, expected)
    if ProcessInfo.processInfo.environment["SHOW"] != nil { print("DIFF", entry.testDescription, difference) }
    #expect(difference.largest <= 1)
    #expect(difference.mean <= 0.02)
  }

  @Test("reads the upright size before any pixel", arguments: Goldens.files.entries)
  func headerNamesSize(entry: Goldens.Entry) throws {
    let bytes = try [UInt8](Goldens.contents(of: try #require(entry.file)))
    let header = try bytes.withUnsafeBytes { try ImageDecoder().header(of: $0) }
    #expect((header.width, header.height) == (entry.width, entry.height))
  }
}
