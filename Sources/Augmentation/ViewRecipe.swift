import Imaging

/// What may happen to one view of an image, and how likely and how strong it is.
///
/// The steps are applied in this order: random resized crop, style transfer, horizontal flip, colour jitter, grayscale, Gaussian
/// blur, solarize. Their semantics are torchvision's on 8-bit images.
package struct ViewRecipe: Sendable, Equatable {
  /// Width and height of the view in pixels; a multiple of 4 where style is transferred.
  package var side: Int
  /// The part of the image's area that the crop covers, in (0, 1].
  package var cropArea: ClosedRange<Double>
  /// Width divided by height of the crop, drawn uniformly on a logarithmic scale.
  package var cropAspect: ClosedRange<Double>
  /// How the crop is resampled to the view's size.
  package var filter: ResamplingFilter
  /// Style transfer; nil for a view that keeps its style.
  package var style: StyleTransferRecipe?
  /// How often the view is mirrored left to right, 0...1.
  package var flipProbability: Double
  /// Colour jitter; nil for none.
  package var jitter: ColorJitterRecipe?
  /// How often the view becomes gray, 0...1.
  package var grayscaleProbability: Double
  /// Gaussian blur; nil for none.
  package var blur: BlurRecipe?
  /// Solarization; nil for none.
  package var solarize: SolarizeRecipe?

  /// A recipe; by default a random resized crop and nothing else.
  package init(
    side: Int, cropArea: ClosedRange<Double> = 0.08...1, cropAspect: ClosedRange<Double> = (3.0 / 4)...(4.0 / 3),
    filter: ResamplingFilter = .bilinear, style: StyleTransferRecipe? = nil, flipProbability: Double = 0,
    jitter: ColorJitterRecipe? = nil, grayscaleProbability: Double = 0, blur: BlurRecipe? = nil,
    solarize: SolarizeRecipe? = nil
  ) {
    self.side = side
    self.cropArea = cropArea
    self.cropAspect = cropAspect
    self.filter = filter
    self.style = style
    self.flipProbability = flipProbability
    self.jitter = jitter
    self.grayscaleProbability = grayscaleProbability
    self.blur = blur
    self.solarize = solarize
  }
}

/// Style transfer by Algorithm 1 of the SASSL paper: how often, how far towards the style, and how much of the result is
/// mixed into the content.
package struct StyleTransferRecipe: Sendable, Equatable {
  /// How often a view is stylized, 0...1.
  package var probability: Double
  /// How far the content's embedding moves towards the style's, within 0...1.
  package var alpha: ClosedRange<Double>
  /// How much of the stylized image replaces the content, within 0...1.
  package var beta: ClosedRange<Double>

  /// By default the published strengths, on 80 % of the views.
  package init(
    probability: Double = 0.8, alpha: ClosedRange<Double> = 0.1...0.3, beta: ClosedRange<Double> = 0.1...0.3
  ) {
    self.probability = probability
    self.alpha = alpha
    self.beta = beta
  }
}

/// Colour jitter: four adjustments in random order. A strength x draws a factor from max(0, 1 - x)...(1 + x), the hue a shift from
/// -x...x of a full turn.
package struct ColorJitterRecipe: Sendable, Equatable {
  /// How often the view is jittered at all, 0...1.
  package var probability: Double
  /// Strength of the brightness factor, 0 and up.
  package var brightness: Double
  /// Strength of the contrast factor, 0 and up.
  package var contrast: Double
  /// Strength of the saturation factor, 0 and up.
  package var saturation: Double
  /// Strength of the hue shift, 0...0.5.
  package var hue: Double

  /// Jitter with these strengths.
  package init(probability: Double, brightness: Double, contrast: Double, saturation: Double, hue: Double) {
    self.probability = probability
    self.brightness = brightness
    self.contrast = contrast
    self.saturation = saturation
    self.hue = hue
  }
}

/// Gaussian blur with a random width.
package struct BlurRecipe: Sendable, Equatable {
  /// How often the view is blurred, 0...1.
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

  /// The kernel that SimCLR uses: a tenth of the view's side, made odd. 23 for 224 pixels.
  package static func kernelSize(forSide side: Int) -> Int {
    max(side / 10 | 1, 3)
  }
}

/// Solarization: bright samples are inverted.
package struct SolarizeRecipe: Sendable, Equatable {
  /// How often the view is solarized, 0...1.
  package var probability: Double
  /// The smallest sample that is inverted.
  package var threshold: UInt8

  /// Solarization above `threshold`.
  package init(probability: Double, threshold: UInt8 = 128) {
    self.probability = probability
    self.threshold = threshold
  }
}
