import Augmentation
import Foundation
import Imaging
import Testing

/// A recipe in which every step may happen.
let eventful = ViewRecipe(
  RandomResizedCrop(side: 32, area: 0.2...0.9),
  [
    StyleTransferStep(probability: 0.8, alpha: 0.1...0.3, beta: 0.2...0.6),
    HorizontalFlip(probability: 0.5),
    ColorJitter(probability: 0.8, brightness: 0.4, contrast: 0.3, saturation: 1.5, hue: 0.1),
    Grayscale(probability: 0.2),
    GaussianBlur(probability: 0.6, sigma: 0.1...2, kernelSize: 5),
    Solarize(probability: 0.3),
  ])

extension ViewDraws {
  /// Whether the view is mirrored.
  fileprivate var isFlipped: Bool { self[HorizontalFlip.self] != nil }
  /// Colour jitter, or nil where there is none.
  fileprivate var jitter: ColorJitterDraw? { self[ColorJitterDraw.self] }
  /// Whether the view becomes gray.
  fileprivate var isGray: Bool { self[Grayscale.self] != nil }
  /// Blur, or nil where there is none.
  fileprivate var blur: GaussianBlurDraw? { self[GaussianBlurDraw.self] }
  /// The smallest sample to invert, or nil where nothing is solarized.
  fileprivate var solarizeThreshold: UInt8? { self[Solarize.self]?.threshold }
}

private func draws(_ recipe: ViewRecipe, count: Int) -> [ViewDraws] {
  (0..<count).map { ViewDraws(recipe: recipe, seed: 11, epoch: 2, sample: UInt64($0), view: 0) }
}

@Suite("The draws of a view")
struct ViewDrawsTests {
  private let count = 20_000

  /// Whether a fraction of the draws is as near to its probability as four standard errors.
  private func isPlausible(_ hits: Int, of trials: Int, probability: Double) -> Bool {
    let expected = Double(trials) * probability
    return abs(Double(hits) - expected) <= 4 * (expected * (1 - probability)).squareRoot()
  }

  /// Chi-square over ten equal bins of `range`; 27.9 is exceeded once in a thousand times.
  private func isUniform(_ values: [Double], in range: ClosedRange<Double>) -> Bool {
    var bins = [Int](repeating: 0, count: 10)
    for value in values {
      guard range.contains(value) else { return false }
      bins[min(Int((value - range.lowerBound) / (range.upperBound - range.lowerBound) * 10), 9)] += 1
    }
    let expected = Double(values.count) / 10
    return bins.map { (Double($0) - expected) * (Double($0) - expected) / expected }.reduce(0, +) < 27.9
  }

  @Test("steps happen as often as the recipe says")
  func probabilities() {
    let draws = draws(eventful, count: count)
    #expect(isPlausible(draws.count { $0.style != nil }, of: count, probability: 0.8))
    #expect(isPlausible(draws.count { $0.isFlipped }, of: count, probability: 0.5))
    #expect(isPlausible(draws.count { $0.jitter != nil }, of: count, probability: 0.8))
    #expect(isPlausible(draws.count { $0.isGray }, of: count, probability: 0.2))
    #expect(isPlausible(draws.count { $0.blur != nil }, of: count, probability: 0.6))
    #expect(isPlausible(draws.count { $0.solarizeThreshold == 128 }, of: count, probability: 0.3))
    // Independence, where a shared draw would show: flipped and gray together.
    #expect(isPlausible(draws.count { $0.isFlipped && $0.isGray }, of: count, probability: 0.1))
  }

  @Test("strengths are uniform over their ranges")
  func strengths() {
    let draws = draws(eventful, count: count)
    let styles = draws.compactMap(\.style)
    let jitters = draws.compactMap(\.jitter)
    #expect(isUniform(styles.map(\.alpha), in: 0.1...0.3))
    #expect(isUniform(styles.map(\.beta), in: 0.2...0.6))
    #expect(isUniform(jitters.map(\.brightness), in: 0.6...1.4))
    #expect(isUniform(jitters.map(\.contrast), in: 0.7...1.3))
    #expect(isUniform(jitters.map(\.saturation), in: 0...2.5))
    #expect(isUniform(jitters.map(\.hue), in: -0.1...0.1))
    #expect(isUniform(draws.compactMap(\.blur).map(\.sigma), in: 0.1...2))
  }

  @Test("jitter takes each of the 24 orders equally often")
  func jitterOrders() {
    let orders = draws(eventful, count: count).compactMap { $0.jitter?.order }
    let frequencies = Dictionary(grouping: orders) { $0 }.mapValues(\.count)
    #expect(frequencies.count == 24)
    let expected = Double(orders.count) / 24
    let chiSquare = frequencies.values.map { (Double($0) - expected) * (Double($0) - expected) / expected }.reduce(0, +)
    // 49.7 at 23 degrees of freedom is exceeded once in a thousand times.
    #expect(chiSquare < 49.7)
  }

  @Test("probabilities 0 and 1 are never and always; absent steps never happen")
  func extremes() {
    let never = draws(ViewRecipe(RandomResizedCrop(side: 32)), count: 500)
    #expect(
      never.allSatisfy {
        $0.operationsBeforeStyle.isEmpty && $0.operationsAfterStyle.isEmpty && $0.style == nil && !$0.isFlipped
          && $0.jitter == nil && !$0.isGray && $0.blur == nil
          && $0.solarizeThreshold == nil
      })
    let always = draws(
      ViewRecipe(RandomResizedCrop(side: 32), [HorizontalFlip(probability: 1), Grayscale(probability: 1)]), count: 500)
    #expect(always.allSatisfy { $0.isFlipped && $0.isGray })
  }

  @Test("the same key gives the same draws, any other key different ones")
  func keys() {
    func draws(seed: UInt64 = 1, epoch: UInt64 = 2, sample: UInt64 = 3, view: Int = 0) -> [String] {
      // The crop and the strengths, as text, without the key itself.
      let always = ViewRecipe(
        RandomResizedCrop(side: 32),
        [ColorJitter(probability: 1, brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1)])
      let draws = ViewDraws(recipe: always, seed: seed, epoch: epoch, sample: sample, view: view)
      return ["\(draws.crop(ofWidth: 500, height: 375))", "\(draws.jitter!)"]
    }
    #expect(draws() == draws())
    for other in [draws(seed: 9), draws(epoch: 9), draws(sample: 9), draws(view: 1)] {
      #expect(zip(draws(), other).allSatisfy { $0 != $1 })
    }
  }

  @Test("changing one step leaves the draws of all others alone")
  func independence() {
    var changed = eventful
    changed[ColorJitter.self]?.probability = 0
    changed.crop.area = 0.08...1
    changed.style?.probability = 1
    for (before, after) in zip(draws(eventful, count: 200), draws(changed, count: 200)) {
      #expect(before.isFlipped == after.isFlipped)
      #expect(before.isGray == after.isGray)
      #expect(before.blur == after.blur)
      #expect(before.solarizeThreshold == after.solarizeThreshold)
      if let style = before.style { #expect(after.style == style) }
    }
  }

  @Test("style choices are uniform over the styles")
  func styleChoices() {
    let choices = draws(eventful, count: count).map { $0.styleChoice(of: 10) }
    #expect(isUniform(choices.map { (Double($0) + 0.5) / 10 }, in: 0...1))
  }
}
