import Augmentation
import BatchRing

/// The arrays that batches consist of.
package enum BatchFields {
  /// Every array of a batch of `count` samples made by `recipes`, in their order in memory: the views, then the columns.
  ///
  /// The style columns of the first styled view have plain names (`alpha`); those of any other end in the view's number
  /// (`alpha_view1`). The columns of what was drawn begin with their view (`view0_crop`).
  ///
  /// - Parameter drawn: whether every view has the columns of `DrawnColumns`.
  package static func all(for recipes: [ViewRecipe], count: Int, drawn: Bool = false) -> [RingField] {
    var fields = recipes.enumerated().map { index, recipe in
      RingField(name: "view\(index)", type: .uint8, shape: [count, recipe.side, recipe.side, 3])
    }
    fields.append(RingField(name: "labels", type: .int64, shape: [count]))
    fields.append(RingField(name: "sample_ids", type: .int64, shape: [count]))
    for (_, suffix) in styleColumns(of: recipes) {
      fields.append(RingField(name: "style_ids\(suffix)", type: .int64, shape: [count]))
      fields.append(RingField(name: "applied\(suffix)", type: .bool8, shape: [count]))
      fields.append(RingField(name: "alpha\(suffix)", type: .float32, shape: [count]))
      fields.append(RingField(name: "beta\(suffix)", type: .float32, shape: [count]))
    }
    guard drawn else { return fields }
    return fields
      + recipes.indices.flatMap { view in
        DrawnColumns.all.map { _, column in
          RingField(
            name: "view\(view)_\(column.name)", type: RingField.ElementType(column.type),
            shape: [count] + (column.length.map { [$0] } ?? []))
        }
      }
  }

  /// The views that have style columns, with what the names of these end in.
  package static func styleColumns(of recipes: [ViewRecipe]) -> [(view: Int, suffix: String)] {
    styled(recipes).enumerated().map { order, view in (view, order == 0 ? "" : "_view\(view)") }
  }

  /// The views that have style columns. Readers find those of one view in every batch, also where no view is ever stylized.
  static func styled(_ recipes: [ViewRecipe]) -> [Int] {
    let styled = recipes.indices.filter { recipes[$0].style != nil }
    return styled.isEmpty ? [0] : styled
  }
}

extension RingField.ElementType {
  fileprivate init(_ type: DrawnColumn.ElementType) {
    switch type {
    case .bool: self = .bool8
    case .int32: self = .int32
    case .int64: self = .int64
    case .float32: self = .float32
    }
  }
}
