import Imaging
import KeyedRandom
import Settings

/// Inverts bright samples: torchvision's `RandomSolarize`.
package struct Solarize: AugmentationStep, PixelOperation, Equatable {
  package var probability: Double
  /// The smallest sample that is inverted.
  package var threshold: UInt8

  /// Solarization of samples that are not below `threshold`.
  package init(probability: Double, threshold: UInt8 = 128) {
    self.probability = probability
    self.threshold = threshold
  }

  package init(side: Int) { self.init(probability: 0) }

  package static let name = "solarize"
  package static let title = "solarize"
  package static let settings: [Setting<Solarize>] = [
    .number("solarize_probability", \.probability, in: 0...1, words: "how often the view is solarized"),
    .integer(
      "solarize_threshold", \.threshold, in: 0...255, words: "the smallest of the values 0 to 255 that is inverted"),
  ]

  package static let applied = DrawPurpose(41)

  package func apply(to view: PixelBuffer, workspace: PixelWorkspace) { view.solarize(threshold: threshold) }
}
