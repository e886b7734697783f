import Imaging
import KeyedRandom
import Settings

/// Mirrors the view left to right: torchvision's `RandomHorizontalFlip`.
package struct HorizontalFlip: AugmentationStep, PixelOperation, Equatable {
  package var probability: Double

  /// A flip that happens with this probability.
  package init(probability: Double) { self.probability = probability }

  package init(side: Int) { self.init(probability: 0) }

  package static let name = "flip"
  package static let title = "flip"
  package static let settings: [Setting<HorizontalFlip>] = [
    .number("flip_probability", \.probability, in: 0...1, words: "how often the view is mirrored left to right")
  ]

  package static let applied = DrawPurpose(19)

  package func apply(to view: PixelBuffer, workspace: PixelWorkspace) { view.flipHorizontally() }
}
