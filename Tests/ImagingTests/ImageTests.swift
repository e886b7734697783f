import Foundation
import Imaging
import Testing

@Suite("Images")
struct ImageTests {
  @Test("PNG keeps every pixel", arguments: ["picture", "colours"])
  func pngRoundTrip(source: String) throws {
    let image = Goldens.operations.source(source)
    let decoded = try ImageDecoder().decode(PNGFile.encode(image.pixels))
    #expect(Difference(decoded, image).largest == 0)
  }

  @Test("JPEG keeps the picture, better at higher quality")
  func jpegRoundTrip() throws {
    let image = Goldens.operations.source("large")
    let decoder = ImageDecoder()
    let good = try decoder.decode(JPEGFile.encode(image.pixels, quality: 95))
    let poor = try decoder.decode(JPEGFile.encode(image.pixels, quality: 20))
    #expect(Difference(good, image).mean < 6)
    #expect(Difference(good, image).mean < Difference(poor, image).mean)
  }

  @Test("a JPEG decoded smaller shows the same crop", arguments: [DecodeReduction.half, .quarter])
  func reducedDecoding(reduction: DecodeReduction) throws {
    // A gradient has nothing that a smaller decode could lose.
    let source = RGBImage(width: 400, height: 301)
    for y in 0..<301 {
      for x in 0..<400 {
        let pixel = source.pixels.base + (y * 400 + x) * 3
        (pixel[0], pixel[1], pixel[2]) = (UInt8(x * 255 / 399), UInt8(y * 255 / 300), UInt8((x + y) * 255 / 699))
      }
    }
    let bytes = try JPEGFile.encode(source.pixels, quality: 95)
    let decoder = ImageDecoder()
    let whole = try decoder.decode(bytes)
    let reduced = RGBImage(width: 1, height: 1)
    try bytes.withUnsafeBytes { try decoder.decode($0, reduction: reduction, into: reduced) }
    let factor = reduction.rawValue
    #expect((reduced.width, reduced.height) == ((400 + factor - 1) / factor, (301 + factor - 1) / factor))
    #expect((reduced.originalWidth, reduced.originalHeight) == (400, 301))
    let crop = CropRectangle(x: 33, y: 50, width: 331, height: 251)
    let expected = RGBImage(width: 48, height: 48)
    let result = RGBImage(width: 48, height: 48)
    expected.pixels.resizedCrop(from: whole, crop, workspace: PixelWorkspace())
    result.pixels.resizedCrop(from: reduced, crop, workspace: PixelWorkspace())
    #expect(Difference(result, expected).mean < 1)
    #expect(Difference(result, expected).largest <= 3)
  }

  @Test("the strongest reduction leaves every crop enough pixels")
  func strongestReduction() {
    func strongest(_ sides: (Int, Int)...) -> DecodeReduction {
      let crops = sides.map { CropRectangle(x: 0, y: 0, width: $0.0, height: $0.1) }
      return DecodeReduction.strongest(for: crops, sides: crops.map { _ in 100 })
    }
    #expect(strongest() == .none)
    #expect(strongest((199, 500)) == .none)
    #expect(strongest((200, 200)) == .half)
    #expect(strongest((900, 900), (420, 401)) == .quarter)
    #expect(strongest((900, 900), (800, 801)) == .eighth)
    // A small view needs fewer pixels of its small crop than a large view of its own.
    let crops = [(900, 900), (90, 90)].map { CropRectangle(x: 0, y: 0, width: $0.0, height: $0.1) }
    #expect(DecodeReduction.strongest(for: crops, sides: [224, 32]) == .half)
    #expect(DecodeReduction.strongest(for: crops, sides: [224, 224]) == .none)
  }

  @Test("errors are whole sentences with something to do")
  func errorSentences() {
    let error = ImagingError.tooManyPixels(width: 60000, height: 60000, limit: 50_000_000)
    #expect(
      error.description
        == "the header announces 60000 x 60000 pixels, more than the limit of 50000000; "
        + "raise the limit or shrink the picture")
  }
}
