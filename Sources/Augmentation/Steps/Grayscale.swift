import Imaging
import KeyedRandom
import Settings

/// Turns the view gray: torchvision's `RandomGrayscale`.
package struct Grayscale: AugmentationStep, PixelOperation, Equatable {
  package var probability: Double

  /// Gray with this probability.
  package init(probability: Double) { self.probability = probability }

  package init(side: Int) { self.init(probability: 0) }

  package static let name = "grayscale"
  package static let title = "grayscale"
  package static let settings: [Setting<Grayscale>] = [
    .number("grayscale_probability", \.probability, in: 0...1, words: "how often the view becomes gray")
  ]

  package static let applied = DrawPurpose(38)

  package func apply(to view: PixelBuffer, workspace: PixelWorkspace) { view.convertToGrayscale() }
}
