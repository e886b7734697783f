import Imaging
import KeyedRandom
import Settings

/// Gaussian blur with a random width: torchvision's `GaussianBlur`, with a probability.
package struct GaussianBlur: AugmentationStep, Equatable {
  package var probability: Double
  /// Standard deviation in pixels, more than 0.
  package var sigma: ClosedRange<Double>
  /// Width and height of the kernel in pixels, odd.
  package var kernelSize: Int

  /// Blur with a kernel of `kernelSize` pixels.
  package init(probability: Double, sigma: ClosedRange<Double> = 0.1...2, kernelSize: Int) {
    self.probability = probability
    self.sigma = sigma
    self.kernelSize = kernelSize
  }

  package init(side: Int) { self.init(probability: 0, kernelSize: Self.kernelSize(forSide: side)) }

  /// The kernel that SimCLR uses: a tenth of the view's side, made odd. 23 for 224 pixels.
  package static func kernelSize(forSide side: Int) -> Int { max(side / 10 | 1, 3) }

  package static let name = "blur"
  package static let title = "blur"
  package static let settings: [Setting<GaussianBlur>] = [
    .number("blur_probability", \.probability, in: 0...1, words: "how often the view is blurred"),
    .interval("blur_sigma", \.sigma, in: 0.01...100, words: "standard deviation in pixels"),
    .integer(
      "blur_kernel", \.kernelSize, in: 1...511,
      words: "width and height of the kernel in pixels, odd; else a tenth of the side"),
  ]

  package static let applied = DrawPurpose(39)
  private static let sigmaPurpose = DrawPurpose(40)
  package static let otherPurposes = [sigmaPurpose]

  package static let columns: [DrawnColumn] = [
    .number(
      "blur_sigma", of: GaussianBlurDraw.self, otherwise: 0, words: "standard deviation in pixels, else 0",
      value: \.sigma)
  ]

  package func problems(side: Int) -> [String] {
    var problems = probabilityProblems
    if !(sigma.lowerBound > 0 && sigma.upperBound.isFinite) {
      problems.append("the blur's sigma must be positive, not \(sigma)")
    }
    // A blur that never happens needs no kernel that fits.
    if probability > 0, !(kernelSize > 0 && kernelSize % 2 == 1 && kernelSize / 2 < side) {
      problems.append("the blur's kernel must be odd and less than twice the side, not \(kernelSize)")
    }
    return problems
  }

  package func drawn(_ key: DrawKey) -> DrawnStep {
    .pixels(GaussianBlurDraw(sigma: key.uniform(in: sigma, Self.sigmaPurpose), kernelSize: kernelSize))
  }
}

/// One drawn blur.
package struct GaussianBlurDraw: PixelOperation, Equatable {
  /// Standard deviation in pixels.
  package let sigma: Double
  /// Width and height of the kernel in pixels.
  package let kernelSize: Int

  package func apply(to view: PixelBuffer, workspace: PixelWorkspace) {
    view.blur(kernelSize: kernelSize, sigma: sigma, workspace: workspace)
  }
}
