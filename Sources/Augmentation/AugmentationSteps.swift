/// The steps that there are.
package enum AugmentationSteps {
  /// Every step, in the order in which they are applied unless `views.order` says otherwise.
  package static let all: [any AugmentationStep.Type] = [
    StyleTransferStep.self,
    HorizontalFlip.self,
    ColorJitter.self,
    Grayscale.self,
    GaussianBlur.self,
    Solarize.self,
    Equalize.self,
    Posterize.self,
  ]

  /// Their names, in that order.
  package static var names: [String] { all.map { $0.name } }
}
