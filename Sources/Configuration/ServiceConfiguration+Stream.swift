import Augmentation
import Basics
import Dataset
import Settings

extension ServiceConfiguration {
  /// The fingerprint of everything in the configuration that determines the stream's contents.
  ///
  /// Workers, slots, directories, the stream's name and how a global batch is divided among ranks leave it as it is. The
  /// contents of the data set, the model and the styles have fingerprints of their own, wherever their files are.
  package var fingerprint: Fingerprint {
    Fingerprint { digest in
      for (key, value) in streamSettings {
        digest.append(key)
        digest.append(value)
      }
    }
  }

  /// Everything in the configuration that determines the stream, by the name of the key that it comes from, with its value as
  /// TOML writes it.
  ///
  /// Views are told by what finally happens to them, whether it comes from the preset or from an override.
  package var streamSettings: [(key: String, value: String)] {
    var settings: [(key: String, SettingValue)] = [
      // Changes whenever the same configuration starts to give another stream, so that nobody resumes across it.
      ("stream version", .integer(1)),
      ("stream.seed", .integer(Int64(stream.seed))),
      ("batch.size x batch.world_size", .integer(Int64(batch.globalSize))),
      ("batch.last_batch", .string(batch.lastBatch.rawValue)),
      // These decide which files are replaced by others.
      ("limits.max_pixels", .integer(Int64(limits.maximumPixels))),
      ("limits.max_file_bytes", .integer(Int64(limits.maximumFileBytes))),
    ]
    // What dataset.exclude leaves is part of the data set's own fingerprint.
    if dataset.tables.count > 1 {
      settings.append(("dataset.source weights", .list(dataset.tables.map { .number($0.weight) })))
    }
    if !dataset.applyOrientation { settings.append(("dataset.apply_orientation", .boolean(false))) }
    let recipes = viewRecipes
    for (index, recipe) in recipes.enumerated() {
      for (name, value) in recipe.values { settings.append(("view\(index).\(name)", value)) }
    }
    // Without it, a list of other steps in another order might read the same.
    let order = recipes[0].order
    if order != AugmentationSteps.names { settings.append(("views.order", .list(order.map { .string($0) }))) }
    if recipes.contains(where: { $0.style != nil }) {
      settings.append(("style.source", .string(style.source.rawValue)))
      if style.source == .inBatch {
        settings.append(("style.group", .integer(Int64(style.group))))
      }
      // Not told where they are what they always were, so that streams from before are still the same.
      if !style.weights.isEmpty {
        let rules = style.weights.map { SettingValue.list([.string($0.pattern), .number($0.weight)]) }
        settings.append(("style.weights", .list(rules)))
      }
      if style.sharedByViews { settings.append(("style.shared_by_views", .boolean(true))) }
    }
    return settings.map { ($0.key, $0.1.toml) }
  }
}
