/// The augmentations of published methods, with their published values.
package enum RecipePreset: String, Sendable, CaseIterable {
  /// SimCLR (Chen et al. 2020) at colour strength 1.
  case simclr
  /// MoCo v2 (Chen, Fan, Girshick, He 2020).
  case mocov2
  /// BYOL (Grill et al. 2020), whose two views differ.
  case byol

  /// The recipes of the two views.
  ///
  /// - Parameters:
  ///   - side: width and height of the views in pixels.
  ///   - style: style transfer for the first view, or nil for the method as published.
  package func views(side: Int, style: StyleTransferRecipe? = StyleTransferRecipe()) -> [ViewRecipe] {
    let kernelSize = BlurRecipe.kernelSize(forSide: side)
    var first = ViewRecipe(side: side, flipProbability: 0.5, grayscaleProbability: 0.2)
    switch self {
    case .simclr:
      first.cropArea = 0.08...1
      first.jitter = ColorJitterRecipe(probability: 0.8, brightness: 0.8, contrast: 0.8, saturation: 0.8, hue: 0.2)
      first.blur = BlurRecipe(probability: 0.5, kernelSize: kernelSize)
    case .mocov2:
      first.cropArea = 0.2...1
      first.jitter = ColorJitterRecipe(probability: 0.8, brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1)
      first.blur = BlurRecipe(probability: 0.5, kernelSize: kernelSize)
    case .byol:
      first.cropArea = 0.08...1
      first.filter = .bicubic
      first.jitter = ColorJitterRecipe(probability: 0.8, brightness: 0.4, contrast: 0.4, saturation: 0.2, hue: 0.1)
      first.blur = BlurRecipe(probability: 1, kernelSize: kernelSize)
    }
    var second = first
    if self == .byol {
      second.blur = BlurRecipe(probability: 0.1, kernelSize: kernelSize)
      second.solarize = SolarizeRecipe(probability: 0.2)
    }
    first.style = style
    return [first, second]
  }
}
