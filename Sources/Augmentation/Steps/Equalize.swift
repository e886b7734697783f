import Imaging
import KeyedRandom
import Settings

/// Spreads each channel's values so that all of them are about equally frequent: torchvision's `RandomEqualize`.
package struct Equalize: AugmentationStep, PixelOperation, Equatable {
  package var probability: Double

  /// Equalization with this probability.
  package init(probability: Double) { self.probability = probability }

  package init(side: Int) { self.init(probability: 0) }

  package static let name = "equalize"
  package static let title = "equalize"
  package static let settings: [Setting<Equalize>] = [
    .number(
      "equalize_probability", \.probability, in: 0...1, words: "how often each channel's histogram is equalized")
  ]

  package static let applied = DrawPurpose(42)

  package func apply(to view: PixelBuffer, workspace: PixelWorkspace) {
    let samples = view.bytes
    withUnsafeTemporaryAllocation(of: Int.self, capacity: 256) { histogram in
      for channel in 0..<3 {
        histogram.update(repeating: 0)
        for index in stride(from: channel, to: samples.count, by: 3) { histogram[Int(samples[index])] += 1 }
        let highest = histogram.lastIndex { $0 > 0 }!
        let step = (samples.count / 3 - histogram[highest]) / 255
        // Nearly all samples have one value: there is nothing to spread.
        guard step > 0 else { continue }
        // The histogram becomes its own table: what a value turns into, from how many samples lie below it.
        var below = step / 2
        for value in 0..<256 {
          let count = histogram[value]
          histogram[value] = min(below / step, 255)
          below += count
        }
        for index in stride(from: channel, to: samples.count, by: 3) {
          samples[index] = UInt8(truncatingIfNeeded: histogram[Int(samples[index])])
        }
      }
    }
  }
}
