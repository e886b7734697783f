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
  package func views(side: Int, style: StyleTransferStep? = StyleTransferStep()) -> [ViewRecipe] {
    var views = recipes(side: side)
    views[0].style = style
    return views
  }

  /// How many views the method has.
  package var viewCount: Int { recipes(side: 224).count }

  private func recipes(side: Int) -> [ViewRecipe] {
    let kernelSize = GaussianBlur.kernelSize(forSide: side)
    switch self {
    case .simclr:
      let view = ViewRecipe(
        RandomResizedCrop(side: side, area: 0.08...1),
        [
          HorizontalFlip(probability: 0.5),
          ColorJitter(probability: 0.8, brightness: 0.8, contrast: 0.8, saturation: 0.8, hue: 0.2),
          Grayscale(probability: 0.2),
          GaussianBlur(probability: 0.5, kernelSize: kernelSize),
        ])
      return [view, view]
    case .mocov2:
      let view = ViewRecipe(
        RandomResizedCrop(side: side, area: 0.2...1),
        [
          HorizontalFlip(probability: 0.5),
          ColorJitter(probability: 0.8, brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1),
          Grayscale(probability: 0.2),
          GaussianBlur(probability: 0.5, kernelSize: kernelSize),
        ])
      return [view, view]
    case .byol:
      let crop = RandomResizedCrop(side: side, area: 0.08...1, filter: .bicubic)
      let first: [any AugmentationStep] = [
        HorizontalFlip(probability: 0.5),
        ColorJitter(probability: 0.8, brightness: 0.4, contrast: 0.4, saturation: 0.2, hue: 0.1),
        Grayscale(probability: 0.2),
        GaussianBlur(probability: 1, kernelSize: kernelSize),
      ]
      let second: [any AugmentationStep] = [
        GaussianBlur(probability: 0.1, kernelSize: kernelSize), Solarize(probability: 0.2),
      ]
      return [ViewRecipe(crop, first), ViewRecipe(crop, first + second)]
    }
  }
}
