import Augmentation
import Basics
import Dataset

extension ServiceConfiguration {
  /// A mark of everything in the configuration that determines the stream's contents.
  ///
  /// Workers, slots, directories, the stream's name and how a global batch is divided among ranks leave it as it is. The
  /// contents of the data set, the model and the styles have marks of their own, wherever their files are.
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
    // What dataset.exclude leaves is part of the data set's own mark.
    if !dataset.applyOrientation { settings.append(("dataset.apply_orientation", .boolean(false))) }
    let recipes = viewRecipes
    for (index, recipe) in recipes.enumerated() {
      for (name, value) in Self.settings(of: recipe) {
        settings.append(("views.view[\(index + 1)].\(name)", value))
      }
    }
    if recipes.contains(where: { $0.style != nil }) {
      settings.append(("style.source", .string(style.source.rawValue)))
      if style.source == .inBatch {
        settings.append(("style.group", .integer(Int64(style.group))))
      }
    }
    return settings.map { ($0.key, $0.1.toml) }
  }

  private static func settings(of recipe: ViewRecipe) -> [(String, SettingValue)] {
    func interval(_ range: ClosedRange<Double>) -> SettingValue {
      .list([.number(range.lowerBound), .number(range.upperBound)])
    }
    var settings: [(String, SettingValue)] = [
      ("side", .integer(Int64(recipe.side))),
      ("crop_scale", interval(recipe.cropArea)),
      ("crop_aspect", interval(recipe.cropAspect)),
      ("interpolation", .string(recipe.filter.rawValue)),
      ("flip_probability", .number(recipe.flipProbability)),
      ("grayscale_probability", .number(recipe.grayscaleProbability)),
    ]
    if let style = recipe.style {
      settings += [
        ("style.probability", .number(style.probability)),
        ("style.alpha", interval(style.alpha)),
        ("style.beta", interval(style.beta)),
      ]
    }
    if let jitter = recipe.jitter {
      settings += [
        ("jitter_probability", .number(jitter.probability)),
        ("jitter_brightness", .number(jitter.brightness)),
        ("jitter_contrast", .number(jitter.contrast)),
        ("jitter_saturation", .number(jitter.saturation)),
        ("jitter_hue", .number(jitter.hue)),
      ]
    }
    if let blur = recipe.blur {
      settings += [
        ("blur_probability", .number(blur.probability)),
        ("blur_sigma", interval(blur.sigma)),
        ("blur_kernel", .integer(Int64(blur.kernelSize))),
      ]
    }
    if let solarize = recipe.solarize {
      settings += [
        ("solarize_probability", .number(solarize.probability)),
        ("solarize_threshold", .integer(Int64(solarize.threshold))),
      ]
    }
    return settings
  }
}
