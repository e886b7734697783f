import Settings

/// Where the samples of one source are: the keys of `[dataset]`, or those of a table `[[dataset.source]]`.
package struct DatasetSource: Equatable, Sendable {
  /// How the path is read.
  package enum Layout: String, CaseIterable, Sendable {
    /// A folder with one directory per class.
    case imageFolder = "image-folder"
    /// A folder of images without labels.
    case flat
    /// A text file of paths.
    case list
    /// Tar shards, as WebDataset defines them.
    case shards
  }

  /// The folder, the list or the shards.
  package var path = ""
  /// How the path is read.
  package var layout = Layout.imageFolder
  /// Shell patterns of what is left out, by name or by path relative to the folder.
  package var exclude: [String] = []
  /// The field of each sample's `.json` that has its label, in shards; empty for the number in its `.cls`.
  package var labelField = ""
  /// The file that says which samples there are, in which order; empty for all that are found.
  package var manifest = ""
  /// How many samples are drawn from it, in proportion to the weights of the other sources.
  package var weight = 1.0

  /// A source that is nowhere yet.
  package init() {}

  /// The keys that every source has.
  static let settings: [Setting<DatasetSource>] = [
    .string("path", \.path, accepted: "a path", isValid: { !$0.isEmpty }),
    .choice("layout", \.layout, words: "how the path is read"),
    .strings(
      "exclude", \.exclude,
      accepted: "a list of patterns, for example [\"lost+found\", \"*_mask.png\"]",
      isValid: { !$0.isEmpty }),
    .string("label_field", \.labelField, accepted: "the name of a field in JSON, or \"\" for .cls"),
    .string("manifest", \.manifest, accepted: "the path of a manifest, or \"\""),
  ]

  /// The keys of a table.
  static let tableSettings =
    settings + [
      .number(
        "weight", \.weight, in: 1e-6...1e6,
        words: "how many samples are drawn from it, in proportion")
    ]

  /// What about this source cannot be, by key.
  var problems: [(key: String, problem: String)] {
    var problems: [(String, String)] = []
    if path.isEmpty { problems.append(("path", "must be set")) }
    if layout == .list, !exclude.isEmpty {
      problems.append(
        (
          "exclude",
          "is for folders; with dataset.layout = \"list\", leave the lines out of the list"
        ))
    }
    if layout == .list, !manifest.isEmpty {
      problems.append(("manifest", "is for folders and shards; a list is what it is"))
    }
    if layout != .shards, !labelField.isEmpty {
      problems.append(("label_field", "is for dataset.layout = \"shards\""))
    }
    return problems
  }
}
