import KeyedRandom
import Settings
import StyleTransfer

/// Style transfer by Algorithm 1 of the SASSL paper: how often, how far towards the style, and how much of the result is mixed into
/// the content.
package struct StyleTransferStep: AugmentationStep, Equatable {
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

  package init(side: Int) { self.init(probability: 0) }

  package static let name = "style"
  package static let title = "style transfer"
  // One model and one set of styles serve all views.
  package static let section: String? = "style"
  package static let settings: [Setting<StyleTransferStep>] = [
    .number("probability", \.probability, in: 0...1, words: "how often a view is stylized"),
    .interval("alpha", \.alpha, in: 0...1, words: "how far the content's embedding moves towards the style's"),
    .interval("beta", \.beta, in: 0...1, words: "how much of the stylized image is mixed into the content"),
  ]

  package static let applied = DrawPurpose(64)
  private static let alphaPurpose = DrawPurpose(65)
  private static let betaPurpose = DrawPurpose(66)
  /// Which style of a folder or a bank is used.
  static let choice = DrawPurpose(67)
  /// The style itself, where it is drawn from a Gaussian.
  static let sample = DrawPurpose(69)
  package static let otherPurposes = [alphaPurpose, betaPurpose, choice, InBatchStyles.purpose, sample]

  package static let columns: [DrawnColumn] = [
    .identifier(
      "style_id", of: StyleDraw.self, otherwise: -1,
      words: "sample or style that lent its style, -1 where none did or it was drawn from a Gaussian", value: \.lender),
    .number(
      "style_alpha", of: StyleDraw.self, otherwise: 0, words: "how far the embedding moved towards the style's, else 0",
      value: \.alpha),
    .number(
      "style_beta", of: StyleDraw.self, otherwise: 0, words: "how much of the stylized picture was mixed in, else 0",
      value: \.beta),
  ]

  package func problems(side: Int) -> [String] {
    func problem(_ share: ClosedRange<Double>, _ name: String) -> [String] {
      share.lowerBound >= 0 && share.upperBound <= 1 ? [] : ["\(name) must lie within 0...1, not \(share)"]
    }
    let multiple = ModelArchitecture.sideMultiple
    let smallest = ModelArchitecture.minimumSide
    return probabilityProblems + problem(alpha, "alpha") + problem(beta, "beta")
      + (ModelArchitecture.takes(side: side)
        ? []
        : ["the side must be a multiple of \(multiple) and at least \(smallest) for style transfer, not \(side)"])
  }

  package func drawn(_ key: DrawKey) -> DrawnStep {
    .style(
      StyleDraw(alpha: key.uniform(in: alpha, Self.alphaPurpose), beta: key.uniform(in: beta, Self.betaPurpose)))
  }
}

/// The strengths of one style transfer.
package struct StyleDraw: Sendable, Equatable {
  /// How far the content's embedding moves towards the style's, 0...1.
  package let alpha: Double
  /// How much of the stylized image replaces the content, 0...1.
  package let beta: Double
  /// The sample or style that lends its style, once that is known; -1 for none.
  package var lender: Int64 = -1

  /// A style transfer of these strengths.
  package init(alpha: Double, beta: Double) {
    self.alpha = alpha
    self.beta = beta
  }
}
