import Augmentation
import BatchRing

/// The arrays that batches consist of.
package enum BatchFields {
  /// Every array of a batch of `count` samples made by `recipes`, in their order in memory: the views, then the columns.
  ///
  /// The style columns of the first styled view have plain names (`alpha`); those of any other end in the view's number
  /// (`alpha_view1`).
  package static func all(for recipes: [ViewRecipe], count: Int) -> [RingField] {
    var fields = recipes.enumerated().map { index, recipe in
      RingField(name: "view\(index)", type: .uint8, shape: [count, recipe.side, recipe.side, 3])
    }
    fields.append(RingField(name: "labels", type: .int64, shape: [count]))
    fields.append(RingField(name: "sample_ids", type: .int64, shape: [count]))
    let styled = recipes.indices.filter { recipes[$0].style != nil }
    // Readers find the style columns in every batch, also where no view is ever stylized.
    for (order, view) in (styled.isEmpty ? [0] : styled).enumerated() {
      let suffix = order == 0 ? "" : "_view\(view)"
      fields.append(RingField(name: "style_ids\(suffix)", type: .int64, shape: [count]))
      fields.append(RingField(name: "applied\(suffix)", type: .bool8, shape: [count]))
      fields.append(RingField(name: "alpha\(suffix)", type: .float32, shape: [count]))
      fields.append(RingField(name: "beta\(suffix)", type: .float32, shape: [count]))
    }
    return fields
  }
}
