import KeyedRandom
import Settings

/// One thing that may happen to a view after its crop: its settings, its draw, what it does, and the words for it.
///
/// Whatever goes through all steps (the configuration file, its checks, `sasslctl config show`, the stream's fingerprint, the
/// documents, the goldens) goes through ``AugmentationSteps/all``, so a step that is in that list is known everywhere.
package protocol AugmentationStep: Sendable {
  /// The step in one word, as `views.order` calls it; its keys begin with it.
  static var name: String { get }
  /// What messages and documents call it.
  static var title: String { get }
  /// Its keys, each with its range and its words; the first is its probability.
  static var settings: [Setting<Self>] { get }
  /// The section of the configuration that its keys stand in; `nil` where each view's table has them.
  static var section: String? { get }
  /// What is drawn to find out whether it happens.
  static var applied: DrawPurpose { get }
  /// What its other random numbers are drawn for.
  static var otherPurposes: [DrawPurpose] { get }
  /// The columns of its other random numbers, for trainers; their names begin with its own. That it happened has a column anyway.
  static var columns: [DrawnColumn] { get }

  /// How often it happens, 0...1.
  var probability: Double { get set }

  /// The step with the usual strengths for views of `side` pixels; it never happens, its probability is 0.
  init(side: Int)

  /// What is wrong with its values in a view of `side` pixels: one clause each.
  func problems(side: Int) -> [String]

  /// The step with its numbers drawn, for the view that `key` stands for: what happens where it does.
  func drawn(_ key: DrawKey) -> DrawnStep
}

extension AugmentationStep {
  package static var section: String? { nil }

  package static var otherPurposes: [DrawPurpose] { [] }

  package static var columns: [DrawnColumn] { [] }

  /// What all its random numbers are drawn for.
  package static var purposes: [DrawPurpose] { [applied] + otherPurposes }

  /// What happens to the view that `key` stands for; `nil` where nothing does.
  func draw(_ key: DrawKey) -> DrawnStep? { key.chance(probability, Self.applied) ? drawn(key) : nil }

  package func problems(side: Int) -> [String] { probabilityProblems }

  /// What is wrong with the probability.
  var probabilityProblems: [String] {
    (0...1).contains(probability)
      ? [] : ["the probability of \(Self.title) must lie in 0...1, not \(probability)"]
  }

  /// Every value, in the order of the settings.
  var values: [(key: String, value: SettingValue)] {
    Self.settings.values(in: self).map { ((Self.section.map { $0 + "." } ?? "") + $0.key, $0.value) }
  }
}

extension AugmentationStep where Self: PixelOperation {
  // Nothing but whether it happens is drawn.
  package func drawn(_ key: DrawKey) -> DrawnStep { .pixels(self) }
}
