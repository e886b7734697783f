import Augmentation
import Dataset
import Imaging
import StyleTransfer

/// Everything that the content of a stream is made from, opened and checked. Immutable, so all workers share it.
package struct StreamSource: Sendable {
  /// The seed of every draw.
  package let seed: UInt64
  /// The samples.
  package let catalog: SampleCatalog
  /// What happens to each view.
  package let recipes: [ViewRecipe]
  /// The style networks; needed where any recipe has a style.
  package let model: StyleModel?
  /// Where styles come from.
  package let styles: StyleSource
  /// Samples that share their styles when they come from the batch.
  package let styleGroupSize: Int
  /// Whether all styled views of a sample take the same style.
  package let sharesStyles: Bool
  /// What one file may cost.
  package let limits: DecodeLimits
  /// Whether pictures are turned as their metadata say.
  package let appliesOrientation: Bool

  package init(
    seed: UInt64, catalog: SampleCatalog, recipes: [ViewRecipe], model: StyleModel?, styles: StyleSource,
    styleGroupSize: Int, sharesStyles: Bool = false, limits: DecodeLimits, appliesOrientation: Bool = true
  ) {
    precondition(model != nil || recipes.allSatisfy { $0.style == nil }, "a recipe with a style needs a model")
    self.seed = seed
    self.catalog = catalog
    self.recipes = recipes
    self.model = model
    self.styles = styles
    self.styleGroupSize = styleGroupSize
    self.sharesStyles = sharesStyles
    self.limits = limits
    self.appliesOrientation = appliesOrientation
    styledViews = recipes.indices.filter { recipes[$0].style != nil }
  }

  /// The views that may be stylized, in order.
  package let styledViews: [Int]

  /// The name of a style as the `style_ids` column numbers it.
  package func styleName(_ identifier: Int64) -> String {
    switch styles {
    case .inBatch: catalog.relativePath(of: Int(identifier)).description
    case .embeddings(let names, _, _): names[Int(identifier)]
    case .sampled: "drawn"
    }
  }
}
