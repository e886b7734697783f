import Imaging
import KeyedRandom

/// Everything that happens to one view of one sample in one epoch: a pure function of the recipe and that key.
package struct ViewDraws: Sendable {
  /// Style transfer, or nil where this view keeps its style.
  package let style: StyleDraw?
  /// What happens before the view's style is looked at; for a view that is never stylized, all of it.
  package let operationsBeforeStyle: [any PixelOperation]
  /// What happens to it after style transfer.
  package let operationsAfterStyle: [any PixelOperation]

  /// What the steps that happen have drawn, by their names.
  private let draws: [String: any Sendable]
  private let crop: RandomResizedCrop
  private let key: DrawKey

  /// Draws everything for the view of `key`.
  package init(recipe: ViewRecipe, key: DrawKey) {
    crop = recipe.crop
    self.key = key
    var style: StyleDraw?
    var before: [any PixelOperation] = []
    var after: [any PixelOperation] = []
    var draws: [String: any Sendable] = [:]
    var isAfter = false
    for step in recipe.steps {
      if step is StyleTransferStep { isAfter = true }
      guard let drawn = step.draw(key) else { continue }
      switch drawn {
      case .style(let draw):
        style = draw
        draws[type(of: step).name] = draw
      case .pixels(let operation):
        if isAfter { after.append(operation) } else { before.append(operation) }
        draws[type(of: step).name] = operation
      }
    }
    self.style = style
    self.draws = draws
    operationsBeforeStyle = before
    operationsAfterStyle = after
  }

  /// Draws everything for view `view` (0 for the first) of `sample` in `epoch`.
  package init(recipe: ViewRecipe, seed: UInt64, epoch: UInt64, sample: UInt64, view: Int) {
    self.init(recipe: recipe, key: DrawKey(seed: seed, epoch: epoch, sample: sample, view: view))
  }

  /// The operation of this kind that happens; `nil` where none does.
  package subscript<Operation: PixelOperation>(_ type: Operation.Type) -> Operation? {
    (operationsBeforeStyle + operationsAfterStyle).lazy.compactMap { $0 as? Operation }.first
  }

  /// The crop of an upright picture of `width` x `height` pixels.
  package func crop(ofWidth width: Int, height: Int) -> CropRectangle { crop.draw(key, width: width, height: height) }

  /// Writes what was drawn as the entry of the sample at `position` of the view's columns, in the order of ``DrawnColumns/all``; the
  /// style that is lent is not known yet.
  package func write(_ crop: CropDraw, at position: Int, to columns: [UnsafeMutableRawPointer]) {
    for ((step, column), pointer) in zip(DrawnColumns.all, columns) {
      column.write(step == RandomResizedCrop.name ? crop : draws[step], at: position, to: pointer)
    }
  }

  /// Writes the style of the sample at `position` anew, now that it is known who lends it.
  package static func write(_ style: StyleDraw, at position: Int, to columns: [UnsafeMutableRawPointer]) {
    for ((step, column), pointer) in zip(DrawnColumns.all, columns) where step == StyleTransferStep.name {
      column.write(style, at: position, to: pointer)
    }
  }

  /// Which of `count` styles of a folder or a bank this view takes, where it is stylized from one and all are equally likely.
  package func styleChoice(of count: Int) -> Int {
    var generator = key.generator(StyleTransferStep.choice)
    return generator.index(below: count)
  }

  /// The same, in proportion to `weights`.
  package func styleChoice(by weights: StyleWeights) -> Int {
    var generator = key.generator(StyleTransferStep.choice)
    return weights.index(at: generator.uniform())
  }

  /// The standard normal numbers by which this view's style is drawn, where styles are drawn from a Gaussian.
  package func styleNormals(count: Int) -> [Double] {
    var generator = key.generator(StyleTransferStep.sample)
    return generator.normals(count: count)
  }

  /// Fills `view` with `rectangle` of `image`: the first step of a view, straight into its final memory.
  package func applyCrop(
    _ rectangle: CropRectangle, of image: RGBImage, into view: PixelBuffer, workspace: PixelWorkspace
  ) {
    view.resizedCrop(from: image, rectangle, filter: crop.filter, workspace: workspace)
  }
}
