import Foundation
import Imaging
import Testing

@Suite("Broken files are errors with a reason")
struct BrokenFileTests {
  @Test("each kind with its own", arguments: BrokenFile.all)
  func namesReason(file: BrokenFile) throws {
    let error = #expect(throws: ImagingError.self) { try ImageDecoder().decode(file.bytes) }
    #expect(error?.reason == file.reason, "\(error?.description ?? "no error")")
  }

  @Test("and leave the decoder fit for the next file")
  func decoderSurvives() throws {
    let decoder = ImageDecoder()
    let image = RGBImage(width: 1, height: 1)
    let entries = Goldens.files.entries.filter { $0.file == "progressive-420.jpg" || $0.file == "rgb-8.png" }
    for file in BrokenFile.all {
      #expect(throws: ImagingError.self, "\(file.testDescription)") {
        try file.bytes.withUnsafeBytes { try decoder.decode($0, into: image) }
      }
      for entry in entries {
        let bytes = try [UInt8](Goldens.contents(of: try #require(entry.file)))
        #expect(throws: Never.self, "after \(file.testDescription)") {
          try bytes.withUnsafeBytes { try decoder.decode($0, into: image) }
        }
        #expect(Difference(image, Goldens.files.image(entry)).largest <= 1)
      }
    }
  }

  @Test("limits hold at their exact values")
  func limits() throws {
    let bytes = try [UInt8](Goldens.contents(of: "rgb-8.png"))
    let decoder = ImageDecoder()
    let pixels = 29 * 23
    _ = try decoder.decode(bytes, limits: DecodeLimits(maximumPixels: pixels, maximumBytes: bytes.count))
    #expect(throws: ImagingError.tooManyPixels(width: 29, height: 23, limit: pixels - 1)) {
      try decoder.decode(bytes, limits: DecodeLimits(maximumPixels: pixels - 1, maximumBytes: bytes.count))
    }
    #expect(throws: ImagingError.tooManyBytes(count: bytes.count, limit: bytes.count - 1)) {
      try decoder.decode(bytes, limits: DecodeLimits(maximumPixels: pixels, maximumBytes: bytes.count - 1))
    }
  }

  // The end marker of a JPEG; the last chunk of a PNG with the checksums of the data before it; what fills up the last row of a BMP; the
  // end of the data and of the file of a GIF; where a TIFF has its next page.
  @Test(
    "every cut through a file that loses pixels is noticed",
    arguments: [
      ("baseline-420.jpg", 2), ("restart-intervals.jpg", 2), ("progressive-420.jpg", 2), ("rgb-8-interlaced.png", 21),
      ("lossy.webp", 1), ("lossless.webp", 1), ("rgb-tiff_lzw.tiff", 0), ("rgb-8-planes-big.tiff", 0),
      ("bits-group4.tiff", 4), ("rgb.bmp", 1), ("runs-4.bmp", 2), ("binary.ppm", 0), ("in-order.gif", 2),
    ])
  func everyCut(name: String, spare: Int) throws {
    let bytes = try [UInt8](Goldens.contents(of: name))
    let decoder = ImageDecoder()
    for length in 0..<(bytes.count - spare) {
      #expect(throws: ImagingError.self, "cut to \(length) bytes") { try decoder.decode(Array(bytes.prefix(length))) }
    }
  }

  @Test("thousands of random changes end in pixels or in a typed error")
  func randomChanges() throws {
    var random = FixedSequence(state: 20_261_123)
    let decoder = ImageDecoder()
    let image = RGBImage(width: 1, height: 1)
    let limits = DecodeLimits(maximumPixels: 1 << 20, maximumBytes: 1 << 20)
    for entry in Goldens.files.entries {
      let bytes = try [UInt8](Goldens.contents(of: try #require(entry.file)))
      for _ in 0..<60 {
        var changed = bytes
        for _ in 0..<Int.random(in: 1...6, using: &random) {
          changed[Int.random(in: 0..<changed.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
        }
        do {
          try changed.withUnsafeBytes { try decoder.decode($0, limits: limits, into: image) }
        } catch {
          #expect(error is ImagingError)
        }
      }
    }
  }
}

/// A fixed sequence of numbers, so that a failure can be repeated.
private struct FixedSequence: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return (state >> 33) << 32 ^ (state >> 16) & 0xFFFF_FFFF
  }
}
