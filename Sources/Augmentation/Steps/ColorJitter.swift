import Imaging
import KeyedRandom
import Settings

/// Colour jitter, torchvision's `ColorJitter`: four adjustments in random order. A strength x draws a factor from max(0, 1 - x)...(1 + x),
/// the hue a shift from -x...x of a full turn.
package struct ColorJitter: AugmentationStep, Equatable {
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

  package init(side: Int) { self.init(probability: 0, brightness: 0, contrast: 0, saturation: 0, hue: 0) }

  package static let name = "jitter"
  package static let title = "colour jitter"
  package static let settings: [Setting<ColorJitter>] = [
    .number("jitter_probability", \.probability, in: 0...1, words: "how often colours are jittered"),
    .number(
      "jitter_brightness", \.brightness, in: 0...10, words: "x draws a factor from max(0, 1 - x) to 1 + x"),
    .number("jitter_contrast", \.contrast, in: 0...10, words: "likewise"),
    .number("jitter_saturation", \.saturation, in: 0...10, words: "likewise"),
    .number("jitter_hue", \.hue, in: 0...0.5, words: "x draws a shift from -x to x of a full turn, at most 0.5"),
  ]

  package static let applied = DrawPurpose(32)
  private static let order = DrawPurpose(33)
  private static let brightnessPurpose = DrawPurpose(34)
  private static let contrastPurpose = DrawPurpose(35)
  private static let saturationPurpose = DrawPurpose(36)
  private static let huePurpose = DrawPurpose(37)
  package static let otherPurposes = [order, brightnessPurpose, contrastPurpose, saturationPurpose, huePurpose]

  package static let columns: [DrawnColumn] = [
    .integers(
      "jitter_order", of: ColorJitterDraw.self, count: ColorAdjustment.allCases.count, otherwise: -1,
      words: "which adjustment came first to last: 0 brightness, 1 contrast, 2 saturation, 3 hue; else -1"
    ) { draw in draw.order.map { ColorAdjustment.allCases.firstIndex(of: $0)! } },
    .number("jitter_brightness", of: ColorJitterDraw.self, otherwise: 1, words: "factor, else 1", value: \.brightness),
    .number("jitter_contrast", of: ColorJitterDraw.self, otherwise: 1, words: "factor, else 1", value: \.contrast),
    .number("jitter_saturation", of: ColorJitterDraw.self, otherwise: 1, words: "factor, else 1", value: \.saturation),
    .number(
      "jitter_hue", of: ColorJitterDraw.self, otherwise: 0, words: "shift, in full turns from -0.5 to 0.5, else 0",
      value: \.hue),
  ]

  package func problems(side: Int) -> [String] {
    func problem(_ strength: Double, _ name: String, upTo limit: Double) -> [String] {
      (0...limit).contains(strength) ? [] : ["the strength of \(name) must lie in 0...\(limit), not \(strength)"]
    }
    return probabilityProblems + problem(brightness, "brightness", upTo: 10) + problem(contrast, "contrast", upTo: 10)
      + problem(saturation, "saturation", upTo: 10) + problem(hue, "hue", upTo: 0.5)
  }

  package func drawn(_ key: DrawKey) -> DrawnStep {
    func factor(_ strength: Double, _ purpose: DrawPurpose) -> Double {
      key.uniform(in: max(0, 1 - strength)...(1 + strength), purpose)
    }
    var order = key.generator(Self.order)
    return .pixels(
      ColorJitterDraw(
        order: order.permutation(count: ColorAdjustment.allCases.count).map { ColorAdjustment.allCases[$0] },
        brightness: factor(brightness, Self.brightnessPurpose), contrast: factor(contrast, Self.contrastPurpose),
        saturation: factor(saturation, Self.saturationPurpose),
        hue: key.uniform(in: -hue...hue, Self.huePurpose)))
  }
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
package struct ColorJitterDraw: PixelOperation, Equatable {
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

  package func apply(to view: PixelBuffer, workspace: PixelWorkspace) {
    for adjustment in order {
      switch adjustment {
      case .brightness: view.adjustBrightness(factor: brightness)
      case .contrast: view.adjustContrast(factor: contrast)
      case .saturation: view.adjustSaturation(factor: saturation)
      case .hue: view.adjustHue(shift: hue)
      }
    }
  }
}
