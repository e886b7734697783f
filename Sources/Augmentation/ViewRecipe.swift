import Settings

/// What may happen to one view of an image, and how likely and how strong it is: a random resized crop, then steps in their order.
/// Their semantics are torchvision's on 8-bit images.
package struct ViewRecipe: Sendable {
  /// The crop that the view begins with.
  package var crop: RandomResizedCrop
  /// What may happen to it then, in this order. Every step is there but style transfer, which only stylized views have; one
  /// whose probability is 0 never happens.
  package private(set) var steps: [any AugmentationStep]
  /// The names of all steps in that order, style transfer included whether or not the view has it.
  package private(set) var order = AugmentationSteps.names

  /// A recipe of these steps, in the usual order; those that are not named never happen.
  package init(_ crop: RandomResizedCrop, _ steps: [any AugmentationStep] = []) {
    self.crop = crop
    self.steps = AugmentationSteps.all.filter { $0 != StyleTransferStep.self }.map { $0.init(side: crop.side) }
    for step in steps { put(step) }
  }

  /// Width and height of the view in pixels.
  package var side: Int { crop.side }

  /// Style transfer; `nil` for a view that keeps its style.
  package var style: StyleTransferStep? {
    get { self[StyleTransferStep.self] }
    set {
      if let newValue { put(newValue) } else { steps.removeAll { $0 is StyleTransferStep } }
    }
  }

  /// A step of the recipe; only style transfer may be missing.
  package subscript<Step: AugmentationStep>(_ type: Step.Type) -> Step? {
    get { steps.lazy.compactMap { $0 as? Step }.first }
    set { if let newValue { put(newValue) } }
  }

  /// Brings the steps into an order.
  ///
  /// - Parameter names: names of steps; those that are missing come last, in the usual order.
  package mutating func arrange(_ names: [String]) {
    order = names + AugmentationSteps.names.filter { !names.contains($0) }
    sort()
  }

  private mutating func put(_ step: some AugmentationStep) {
    if let index = steps.firstIndex(where: { type(of: $0) == type(of: step) }) {
      steps[index] = step
    } else {
      steps.append(step)
      sort()
    }
  }

  private mutating func sort() {
    let order = order
    steps.sort { order.firstIndex(of: type(of: $0).name)! < order.firstIndex(of: type(of: $1).name)! }
  }
}

extension ViewRecipe {
  /// The keys that each view may have for itself, those of the crop first.
  package static let settings: [Setting<ViewRecipe>] =
    RandomResizedCrop.settings.map { $0.within(\.crop) }
    + AugmentationSteps.all.filter { $0.section == nil }.flatMap { settings(of: $0) }

  private static func settings<Step: AugmentationStep>(of type: Step.Type) -> [Setting<ViewRecipe>] {
    Step.settings.map { setting in
      setting.within(get: { $0[Step.self] ?? Step(side: $0.side) }, set: { $1[Step.self] = $0 })
    }
  }

  /// Everything that decides what may happen to the view, in the order in which it does. Steps that never happen are left out, style
  /// transfer excepted.
  package var values: [(key: String, value: SettingValue)] {
    RandomResizedCrop.settings.values(in: crop)
      + steps.filter { $0.probability > 0 || $0 is StyleTransferStep }.flatMap { $0.values }
  }

  /// What is wrong with the recipe: one clause per value outside its range, naming the value, the range and what was given. Empty
  /// for a recipe that can be used.
  package var problems: [String] { crop.problems + steps.flatMap { $0.problems(side: side) } }
}

extension ViewRecipe: Equatable {
  package static func == (left: ViewRecipe, right: ViewRecipe) -> Bool {
    left.crop == right.crop && left.steps.flatMap { $0.values }.elementsEqual(right.steps.flatMap { $0.values }, by: ==)
  }
}
