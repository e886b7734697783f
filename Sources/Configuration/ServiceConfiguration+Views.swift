import Augmentation

extension ServiceConfiguration {
  /// What happens to each view, in their order: the preset with what the tables change, and style for the views that get it.
  package var viewRecipes: [ViewRecipe] {
    let tables = tableOfView
    return (0..<viewCount).map { index in
      let table = tables.indices.contains(index) ? views.tables[tables[index]] : ViewTable()
      // Views beyond the preset's start from its last.
      let published = views.preset.views(side: table.side ?? views.side, style: nil)
      var recipe = published[min(index, published.count - 1)]
      table.apply(to: &recipe)
      if style.enabled, style.views.contains(index) { recipe.style = style.transfer }
      recipe.arrange(views.order)
      return recipe
    }
  }

  /// The same stream with every key of every view written out, so that it does not depend on what a preset says.
  package var withEveryViewKey: ServiceConfiguration {
    let recipes = viewRecipes
    var complete = self
    complete.views.count = recipes.count
    complete.views.order = recipes[0].order
    complete.views.tables = recipes.map { ViewTable(everythingOf: $0) }
    return complete
  }

  /// How many views there are.
  var viewCount: Int { views.count > 0 ? views.count : max(views.preset.viewCount, tableOfView.count) }

  /// The table that describes each view, by its position, for as many views as the tables describe.
  var tableOfView: [Int] {
    views.tables.indices.flatMap { Array(repeating: $0, count: views.tables[$0].count) }
  }
}
