import Foundation
import Imaging
import Testing

@Suite("Operations on pixels do what torchvision's v2 functions do on 8-bit tensors")
struct OperationTests {
  /// What this implementation makes of a golden case.
  private func result(of entry: Goldens.Entry) throws -> RGBImage {
    let source = Goldens.operations.source(try #require(entry.source))
    let parameters = try #require(entry.parameters)
    let workspace = PixelWorkspace()
    let image = RGBImage(width: entry.width, height: entry.height)
    let filter = parameters.filter.flatMap(ResamplingFilter.init(rawValue:))
    switch entry.operation {
    case "resizedCrop":
      let crop = CropRectangle(
        x: try #require(parameters.x), y: try #require(parameters.y), width: try #require(parameters.width),
        height: try #require(parameters.height))
      image.pixels.resizedCrop(from: source, crop, filter: try #require(filter), workspace: workspace)
      return image
    case "resize":
      image.pixels.resize(from: source.pixels, filter: try #require(filter), workspace: workspace)
      return image
    default: break
    }
    image.pixels.copy(from: source.pixels)
    switch entry.operation {
    case "flip": image.pixels.flipHorizontally()
    case "grayscale": image.pixels.convertToGrayscale()
    case "brightness": image.pixels.adjustBrightness(factor: try #require(parameters.factor))
    case "contrast": image.pixels.adjustContrast(factor: try #require(parameters.factor))
    case "saturation": image.pixels.adjustSaturation(factor: try #require(parameters.factor))
    case "hue": image.pixels.adjustHue(shift: try #require(parameters.shift))
    case "blur":
      image.pixels.blur(
        kernelSize: try #require(parameters.kernel), sigma: try #require(parameters.sigma), workspace: workspace)
    case "solarize": image.pixels.solarize(threshold: UInt8(try #require(parameters.threshold)))
    default: Issue.record("no such operation: \(entry.operation ?? "none")")
    }
    return image
  }

  @Test(
    "within one unit, and nearly always exactly",
    arguments: Goldens.operations.entries.filter { $0.operation != "source" })
  func matchesTorchvision(entry: Goldens.Entry) throws {
    let difference = Difference(try result(of: entry), Goldens.operations.image(entry))
    if ProcessInfo.processInfo.environment["SHOW"] != nil { print("DIFF", entry.testDescription, difference) }
    #expect(difference.largest <= 1)
    #expect(difference.mean <= 0.02)
  }
}
