import Augmentation
import Imaging
import Testing

@Suite("Recipes")
struct RecipeTests {
  @Test("the presets hold the published values")
  func presets() {
    let style = StyleTransferStep(probability: 0.8, alpha: 0.1...0.3, beta: 0.1...0.3)
    for preset in RecipePreset.allCases {
      let views = preset.views(side: 224)
      #expect(views.count == 2)
      #expect(views[0].style == style)
      #expect(views[1].style == nil)
      for view in views {
        #expect(view[HorizontalFlip.self]?.probability == 0.5)
        #expect(view[Grayscale.self]?.probability == 0.2)
        #expect(view[ColorJitter.self]?.probability == 0.8)
        #expect(view.crop.aspect == 0.75...(4.0 / 3))
        #expect(view[GaussianBlur.self]?.sigma == 0.1...2)
        #expect(view[GaussianBlur.self]?.kernelSize == 23)
        #expect(view.problems.isEmpty)
      }
    }
    func jitter(_ preset: RecipePreset) -> [Double] {
      let jitter = preset.views(side: 224)[1][ColorJitter.self]!
      return [jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue]
    }
    #expect(jitter(.simclr) == [0.8, 0.8, 0.8, 0.2])
    #expect(jitter(.mocov2) == [0.4, 0.4, 0.4, 0.1])
    #expect(jitter(.byol) == [0.4, 0.4, 0.2, 0.1])
    #expect(RecipePreset.simclr.views(side: 224).map(\.crop.area) == [0.08...1, 0.08...1])
    #expect(RecipePreset.mocov2.views(side: 224).map(\.crop.area) == [0.2...1, 0.2...1])
    #expect(RecipePreset.byol.views(side: 224).map(\.crop.area) == [0.08...1, 0.08...1])
    #expect(RecipePreset.simclr.views(side: 224).map { $0[GaussianBlur.self]!.probability } == [0.5, 0.5])
    #expect(RecipePreset.mocov2.views(side: 224).map { $0[GaussianBlur.self]!.probability } == [0.5, 0.5])
    #expect(RecipePreset.byol.views(side: 224).map { $0[GaussianBlur.self]!.probability } == [1, 0.1])
    let solarize = [Solarize(probability: 0, threshold: 128), Solarize(probability: 0.2, threshold: 128)]
    #expect(RecipePreset.byol.views(side: 224).map { $0[Solarize.self]! } == solarize)
    #expect(RecipePreset.simclr.views(side: 224, style: nil)[0] == RecipePreset.simclr.views(side: 224)[1])
  }

  @Test(
    "the blur kernel is about a tenth of the side, and odd",
    arguments: [(224, 23), (96, 9), (32, 3), (448, 45), (8, 3)])
  func kernelSize(side: Int, kernelSize: Int) {
    #expect(GaussianBlur.kernelSize(forSide: side) == kernelSize)
  }

  @Test("values outside their ranges are named")
  func problems() {
    func problem(_ change: (inout ViewRecipe) -> Void) -> [String] {
      var recipe = RecipePreset.mocov2.views(side: 224)[0]
      change(&recipe)
      return recipe.problems
    }
    #expect(problem { $0.crop.side = 2 }.contains("the side must lie in 4...4096 pixels, not 2"))
    let unsuitable = "the side must be a multiple of 4 and at least 8 for style transfer, not"
    #expect(problem { $0.crop.side = 225 } == ["\(unsuitable) 225"])
    #expect(RecipePreset.mocov2.views(side: 4)[0].problems == ["\(unsuitable) 4"])
    #expect(RecipePreset.mocov2.views(side: 8)[0].problems.isEmpty)
    #expect(problem { $0.crop.area = 0...1 } == ["the crop's area must lie within (0, 1], not 0.0...1.0"])
    #expect(
      problem { $0[HorizontalFlip.self]?.probability = 1.5 } == ["the probability of flip must lie in 0...1, not 1.5"])
    #expect(problem { $0[ColorJitter.self]?.hue = 0.6 } == ["the strength of hue must lie in 0...0.5, not 0.6"])
    #expect(problem { $0[GaussianBlur.self]?.kernelSize = 22 }.count == 1)
    #expect(problem { $0[GaussianBlur.self]?.sigma = 0...1 }.count == 1)
    #expect(problem { $0.style?.alpha = 0.5...1.5 } == ["alpha must lie within 0...1, not 0.5...1.5"])
    #expect(problem { $0.style?.beta = -0.5...0.5 } == ["beta must lie within 0...1, not -0.5...0.5"])
  }
}
