import Augmentation
import Settings

/// What views do differently from their preset: a table `[[views.view]]` of the configuration.
package struct ViewTable: Equatable, Sendable {
  /// How many views, one after the other, the table describes.
  package var count = 1
  /// The values of the keys that the table has, by their names; the rest stays as it is in the preset.
  package private(set) var values: [String: SettingValue] = [:]

  /// A table of one view that does nothing differently.
  package init() {}

  /// The table of one view that does everything as a recipe says.
  package init(everythingOf recipe: ViewRecipe) {
    values = Dictionary(uniqueKeysWithValues: ViewRecipe.settings.values(in: recipe).map { ($0.key, $0.value) })
  }

  /// The keys of a table.
  package static let settings: [Setting<ViewTable>] =
    [
      Setting(
        name: "count", accepted: "a whole number from 1 to \(ServiceConfiguration.maximumViews)",
        words: "how many views, one after the other, the table describes",
        value: { $0.count == 1 ? nil : .integer(Int64($0.count)) },
        assign: { value, table in
          guard case .integer(let count) = value, (1...Int64(ServiceConfiguration.maximumViews)).contains(count) else {
            return false
          }
          table.count = Int(count)
          return true
        })
    ]
    + ViewRecipe.settings.map { setting in
      Setting(
        name: setting.name, accepted: setting.accepted, words: setting.words, value: { $0.values[setting.name] },
        assign: { value, table in
          // Through a recipe, which knows what is accepted, and keeps a number as a number however it is written.
          var recipe = ViewRecipe(RandomResizedCrop(side: 32))
          guard setting.assign(value, &recipe) else { return false }
          table.values[setting.name] = setting.value(recipe)
          return true
        })
    }

  /// The side of the views, where the table says one.
  var side: Int? {
    if case .integer(let side) = values["side"] { Int(side) } else { nil }
  }

  /// Has a recipe do what the table says.
  func apply(to recipe: inout ViewRecipe) {
    for setting in ViewRecipe.settings {
      if let value = values[setting.name] { _ = setting.assign(value, &recipe) }
    }
  }
}
