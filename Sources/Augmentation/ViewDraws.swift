import FoundationEssentials
import Glibc
import Imaging
import KeyedRandom

/// Every random number of one view of one sample in one epoch: a pure function of the recipe and that key.
///
/// It does not depend on workers, machines, other views or other samples; and since each number has a draw of its own, changing one step
/// of a recipe leaves the draws of all others alone.
package struct ViewDraws: Sendable, Equatable {
  /// Style transfer, or nil where this view keeps its style.
  package let style: StyleDraw?
  /// Whether the view is mirrored.
  package let isFlipped: Bool
  /// Colour jitter, or nil where there is none.
  package let jitter: ColorJitterDraw?
  /// Whether the view becomes gray.
  package let isGray: Bool
  /// Blur, or nil where there is none.
  package let blur: BlurDraw?
  /// The smallest sample to invert, or nil where nothing is solarized.
  package let solarizeThreshold: UInt8?

  /// How the crop is resampled.
  package var filter: ResamplingFilter { recipe.filter }

  private let recipe: ViewRecipe
  private let key: Key

  /// Draws everything for view `view` (0 for the first) of `sample` in `epoch`.
  package init(recipe: ViewRecipe, seed: UInt64, epoch: UInt64, sample: UInt64, view: Int) {
    let key = Key(seed: seed, epoch: epoch, sample: sample, view: view)
    self.recipe = recipe
    self.key = key
    style = recipe.style.flatMap { style in
      guard key.chance(style.probability, .styleApplied) else { return nil }
      return StyleDraw(alpha: key.uniform(in: style.alpha, .alpha), beta: key.uniform(in: style.beta, .beta))
    }
    isFlipped = key.chance(recipe.flipProbability, .flip)
    jitter = recipe.jitter.flatMap { jitter in
      guard key.chance(jitter.probability, .jitterApplied) else { return nil }
      func factor(_ strength: Double, _ purpose: DrawPurpose) -> Double {
        key.uniform(in: max(0, 1 - strength)...(1 + strength), purpose)
      }
      var order = key.generator(.jitterOrder)
      return ColorJitterDraw(
        order: order.permutation(count: ColorAdjustment.allCases.count).map { ColorAdjustment.allCases[$0] },
        brightness: factor(jitter.brightness, .jitterBrightness), contrast: factor(jitter.contrast, .jitterContrast),
        saturation: factor(jitter.saturation, .jitterSaturation),
        hue: key.uniform(in: -jitter.hue...jitter.hue, .jitterHue))
    }
    isGray = key.chance(recipe.grayscaleProbability, .grayscale)
    blur = recipe.blur.flatMap { blur in
      guard key.chance(blur.probability, .blurApplied) else { return nil }
      return BlurDraw(sigma: key.uniform(in: blur.sigma, .blurSigma), kernelSize: blur.kernelSize)
    }
    solarizeThreshold = recipe.solarize.flatMap { solarize in
      key.chance(solarize.probability, .solarize) ? solarize.threshold : nil
    }
  }

  /// The crop of an upright picture of `width` x `height` pixels, drawn as torchvision's `RandomResizedCrop` draws it: ten tries at
  /// an area and an aspect ratio that fit, then the largest central crop whose aspect ratio is allowed.
  package func crop(ofWidth width: Int, height: Int) -> CropRectangle {
    var areas = key.generator(.cropArea)
    var aspects = key.generator(.cropAspect)
    let logarithmicAspect = log(recipe.cropAspect.lowerBound)...log(recipe.cropAspect.upperBound)
    for _ in 0..<10 {
      let area = Double(width * height) * areas.uniform(in: recipe.cropArea)
      let aspect = exp(aspects.uniform(in: logarithmicAspect))
      let cropWidth = Int((area * aspect).squareRoot().rounded(.toNearestOrEven))
      let cropHeight = Int((area / aspect).squareRoot().rounded(.toNearestOrEven))
      guard (1...width).contains(cropWidth), (1...height).contains(cropHeight) else { continue }
      var positions = key.generator(.cropPosition)
      let y = positions.index(below: height - cropHeight + 1)
      let x = positions.index(below: width - cropWidth + 1)
      return CropRectangle(x: x, y: y, width: cropWidth, height: cropHeight)
    }
    let aspect = Double(width) / Double(height)
    var cropWidth = width
    var cropHeight = height
    if aspect < recipe.cropAspect.lowerBound {
      cropHeight = Int((Double(width) / recipe.cropAspect.lowerBound).rounded(.toNearestOrEven))
    } else if aspect > recipe.cropAspect.upperBound {
      cropWidth = Int((Double(height) * recipe.cropAspect.upperBound).rounded(.toNearestOrEven))
    }
    // A picture one pixel wide or high may round to nothing, or to more than there is.
    cropWidth = min(max(cropWidth, 1), width)
    cropHeight = min(max(cropHeight, 1), height)
    return CropRectangle(
      x: (width - cropWidth) / 2, y: (height - cropHeight) / 2, width: cropWidth, height: cropHeight)
  }

  /// Which of `count` styles of a folder or a bank this view takes, where it is stylized from one.
  package func styleChoice(of count: Int) -> Int {
    var generator = key.generator(.styleChoice)
    return generator.index(below: count)
  }

  /// What all draws of the view have in common.
  private struct Key: Sendable, Equatable {
    let seed: UInt64
    let epoch: UInt64
    let sample: UInt64
    let view: Int

    func generator(_ purpose: DrawPurpose) -> KeyedGenerator {
      KeyedGenerator(seed: seed, epoch: epoch, sample: sample, view: view, purpose: purpose)
    }

    func chance(_ probability: Double, _ purpose: DrawPurpose) -> Bool {
      var generator = generator(purpose)
      return generator.chance(probability)
    }

    func uniform(in range: ClosedRange<Double>, _ purpose: DrawPurpose) -> Double {
      var generator = generator(purpose)
      return generator.uniform(in: range)
    }
  }
}

/// The strengths of one style transfer.
package struct StyleDraw: Sendable, Equatable {
  /// How far the content's embedding moves towards the style's, 0...1.
  package let alpha: Double
  /// How much of the stylized image replaces the content, 0...1.
  package let beta: Double
}

/// The four parts of colour jitter.
package enum ColorAdjustment: Sendable, CaseIterable {
  /// Brightness, by a factor.
  case brightness
  /// Contrast, by a factor.
  case contrast
  /// Saturation, by a factor.
  case saturation
  /// Hue, by a shift.
  case hue
}

/// One drawn colour jitter.
package struct ColorJitterDraw: Sendable, Equatable {
  /// Which adjustment comes first, second, third and last.
  package let order: [ColorAdjustment]
  /// Brightness factor, 0 and up.
  package let brightness: Double
  /// Contrast factor, 0 and up.
  package let contrast: Double
  /// Saturation factor, 0 and up.
  package let saturation: Double
  /// Hue shift, -0.5...0.5 of a full turn.
  package let hue: Double
}

/// One drawn blur.
package struct BlurDraw: Sendable, Equatable {
  /// Standard deviation in pixels.
  package let sigma: Double
  /// Width and height of the kernel in pixels.
  package let kernelSize: Int
}
