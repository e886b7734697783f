import Augmentation
import Imaging
import Testing

@Suite("Applying the draws of a view")
struct ApplicationTests {
  /// A picture in which every pixel differs from its neighbours.
  private func picture(width: Int, height: Int) -> RGBImage {
    let image = RGBImage(width: width, height: height)
    for index in 0..<image.pixels.byteCount { image.pixels.base[index] = UInt8(truncatingIfNeeded: index * index / 7) }
    return image
  }

  @Test("crops where the draw says, in full-resolution coordinates")
  func crop() {
    let source = picture(width: 90, height: 70)
    let workspace = PixelWorkspace()
    for sample in 0..<20 {
      let draws = ViewDraws(recipe: eventful, seed: 1, epoch: 0, sample: UInt64(sample), view: 0)
      let view = RGBImage(width: 32, height: 32)
      let expected = RGBImage(width: 32, height: 32)
      let crop = draws.crop(ofWidth: 90, height: 70)
      draws.applyCrop(crop, of: source, into: view.pixels, workspace: workspace)
      expected.pixels.resizedCrop(from: source, crop, workspace: workspace)
      #expect(view.pixels.bytes.elementsEqual(expected.pixels.bytes))
    }
  }

  @Test("the rest happens in the order of the recipe, jitter in the order drawn")
  func order() {
    let workspace = PixelWorkspace()
    var jittered = 0
    for sample in 0..<60 {
      let draws = ViewDraws(recipe: eventful, seed: 1, epoch: 0, sample: UInt64(sample), view: 0)
      let view = picture(width: 32, height: 32)
      let expected = picture(width: 32, height: 32)
      #expect(draws.operationsBeforeStyle.isEmpty)
      for operation in draws.operationsAfterStyle { operation.apply(to: view.pixels, workspace: workspace) }
      let pixels = expected.pixels
      if draws[HorizontalFlip.self] != nil { pixels.flipHorizontally() }
      if let jitter = draws[ColorJitterDraw.self] {
        jittered += 1
        for adjustment in jitter.order {
          if adjustment == .brightness { pixels.adjustBrightness(factor: jitter.brightness) }
          if adjustment == .contrast { pixels.adjustContrast(factor: jitter.contrast) }
          if adjustment == .saturation { pixels.adjustSaturation(factor: jitter.saturation) }
          if adjustment == .hue { pixels.adjustHue(shift: jitter.hue) }
        }
      }
      if draws[Grayscale.self] != nil { pixels.convertToGrayscale() }
      if let blur = draws[GaussianBlurDraw.self] { pixels.blur(kernelSize: 5, sigma: blur.sigma, workspace: workspace) }
      if let threshold = draws[Solarize.self]?.threshold { pixels.solarize(threshold: threshold) }
      #expect(view.pixels.bytes.elementsEqual(expected.pixels.bytes))
    }
    #expect(jittered > 30)
  }

  @Test("another order of the steps has the same draws and does the same things in that order; style divides them")
  func anotherOrder() {
    var recipe = eventful
    recipe.arrange(["solarize", "flip", "style"])
    #expect(recipe.order.prefix(4) == ["solarize", "flip", "style", "jitter"])
    let workspace = PixelWorkspace()
    for sample in 0..<60 {
      let usual = ViewDraws(recipe: eventful, seed: 1, epoch: 0, sample: UInt64(sample), view: 0)
      let draws = ViewDraws(recipe: recipe, seed: 1, epoch: 0, sample: UInt64(sample), view: 0)
      #expect(draws.style == usual.style)
      let before: [(any PixelOperation)?] = [usual[Solarize.self], usual[HorizontalFlip.self]]
      let after: [(any PixelOperation)?] = [
        usual[ColorJitterDraw.self], usual[Grayscale.self], usual[GaussianBlurDraw.self],
      ]
      for (operations, expected) in [(draws.operationsBeforeStyle, before), (draws.operationsAfterStyle, after)] {
        let view = picture(width: 32, height: 32)
        let wanted = picture(width: 32, height: 32)
        for operation in operations { operation.apply(to: view.pixels, workspace: workspace) }
        for operation in expected { operation?.apply(to: wanted.pixels, workspace: workspace) }
        #expect(view.pixels.bytes.elementsEqual(wanted.pixels.bytes))
      }
    }
  }
}
