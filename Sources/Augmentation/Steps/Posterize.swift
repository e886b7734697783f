import Imaging
import KeyedRandom
import Settings

/// Keeps the highest bits of each sample: torchvision's `RandomPosterize`.
package struct Posterize: AugmentationStep, PixelOperation, Equatable {
  package var probability: Double
  /// How many bits of each sample are kept, 0 (black) to 8 (all).
  package var bits: Int

  /// Posterization to `bits` bits.
  package init(probability: Double, bits: Int = 4) {
    self.probability = probability
    self.bits = bits
  }

  package init(side: Int) { self.init(probability: 0) }

  package static let name = "posterize"
  package static let title = "posterize"
  package static let settings: [Setting<Posterize>] = [
    .number("posterize_probability", \.probability, in: 0...1, words: "how often the view is posterized"),
    .integer("posterize_bits", \.bits, in: 0...8, words: "how many bits of each sample are kept"),
  ]

  package static let applied = DrawPurpose(43)

  package func problems(side: Int) -> [String] {
    probabilityProblems + ((0...8).contains(bits) ? [] : ["the bits of posterize must lie in 0...8, not \(bits)"])
  }

  package func apply(to view: PixelBuffer, workspace: PixelWorkspace) {
    let mask = UInt8(truncatingIfNeeded: 0xFF << (8 - bits))
    let samples = view.bytes
    for index in samples.indices { samples[index] &= mask }
  }
}
