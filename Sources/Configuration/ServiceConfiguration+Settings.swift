import Augmentation
import Settings

extension ServiceConfiguration {
  /// A section of the file and the keys in it.
  struct Section: Sendable {
    let name: String
    let settings: [Setting<ServiceConfiguration>]
  }

  /// Every section and key there is, in the order in which they are written.
  static let sections: [Section] = [
    Section(
      name: "stream",
      settings: [
        .string(
          "name", \.stream.name, accepted: "1 to 63 of the characters A-Z, a-z, 0-9, '_' and '-'", isValid: isName),
        .integer("seed", \.stream.seed, in: 0...UInt64(Int64.max)),
      ]),
    Section(
      name: "dataset",
      settings: DatasetSource.settings.map { $0.within(\.dataset.own) } + [
        .boolean("apply_orientation", \.dataset.applyOrientation)
      ]),
    Section(
      name: "batch",
      settings: [
        .integer("size", \.batch.size, in: 1...65_536),
        .integer("world_size", \.batch.worldSize, in: 1...65_536),
        .integers("ranks", \.batch.ranks, in: 0...65_535),
        .choice("last_batch", \.batch.lastBatch),
      ]),
    Section(
      name: "views",
      settings: [
        .choice("preset", \.views.preset),
        .integer("side", \.views.side, in: 4...4096),
        .integer("count", \.views.count, in: 0...maximumViews),
        .strings(
          "order", \.views.order,
          accepted: "a list of steps, from " + AugmentationSteps.names.map { "\"\($0)\"" }.joined(separator: ", "),
          isValid: { AugmentationSteps.names.contains($0) }),
      ]),
    Section(
      name: "style",
      settings: [
        .boolean("enabled", \.style.enabled),
        .string("model", \.style.model, accepted: "the path of a model file, or \"\" for the embedded model"),
        .choice("source", \.style.source),
        .string("folder", \.style.folder, accepted: "the path of a folder of images, or \"\""),
        .string("bank", \.style.bank, accepted: "the path of a style bank, or \"\" for the embedded bank"),
        styleWeights,
        .boolean("shared_by_views", \.style.sharedByViews),
      ] + StyleTransferStep.settings.map { $0.within(\.style.transfer) } + [
        .integers("views", \.style.views, in: 0...(maximumViews - 1)),
        .integer("group", \.style.group, in: 2...65_536),
      ]),
    Section(name: "workers", settings: [.integer("count", \.workers.count, in: 0...1024)]),
    Section(
      name: "ring",
      settings: [
        .integer("slots", \.ring.slots, in: 2...4096),
        .string("directory", \.ring.directory, accepted: "the path of a directory", isValid: { !$0.isEmpty }),
        .string("group", \.ring.group, accepted: "the name or number of a group, or \"\""),
        .boolean("drawn", \.ring.drawn),
      ]),
    Section(
      name: "state",
      settings: [
        .string("directory", \.state.directory, accepted: "the path of a directory, or \"\""),
        .string("runtime_directory", \.state.runtimeDirectory, accepted: "the path of a directory, or \"\""),
      ]),
    Section(
      name: "limits",
      settings: [
        .number("max_bad_fraction", \.limits.maximumBadFraction, in: 0...1),
        .integer("max_pixels", \.limits.maximumPixels, in: 1...4_000_000_000),
        .integer("max_file_bytes", \.limits.maximumFileBytes, in: 1...4_000_000_000),
        .integer("wait_for_machine", \.limits.waitForMachine, in: 0...86_400),
      ]),
    Section(name: "index", settings: [.integer("window_batches", \.index.windowBatches, in: 1...10_000_000)]),
  ]

  private static let styleWeights = Setting<ServiceConfiguration>(
    name: "weights",
    accepted:
      "a list of patterns with weights from 0 to 1e9, for example [[\"sketches/*\", 0.5], [\"sketches/cat.png\", 0]]",
    value: { .list($0.style.weights.map { .list([.string($0.pattern), .number($0.weight)]) }) },
    assign: { value, configuration in
      guard case .list(let pairs) = value else { return false }
      let rules = pairs.compactMap { pair -> StyleWeights.Rule? in
        guard case .list(let parts) = pair, parts.count == 2, case .string(let pattern) = parts[0],
          let weight = parts[1].asNumber, !pattern.isEmpty, !pattern.utf8.contains(0), (0...1e9).contains(weight)
        else { return nil }
        return StyleWeights.Rule(pattern: pattern, weight: weight)
      }
      guard rules.count == pairs.count else { return false }
      configuration.style.weights = rules
      return true
    })

  /// The section and key of the tables that change single views.
  static let viewTables = (section: "views", key: "view")

  /// The section and key of the tables of sources.
  static let sourceTables = (section: "dataset", key: "source")

  /// More sources than anybody mixes.
  static let maximumSources = 64

  /// More views than any published method has.
  static let maximumViews = 16

  package static func isName(_ name: String) -> Bool {
    (1...63).contains(name.utf8.count)
      && name.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
          true
        default: false
        }
      }
  }

  /// The keys whose values are paths; relative ones start at the configuration file's directory.
  static let pathKeys: [WritableKeyPath<ServiceConfiguration, String> & Sendable] = [
    \.dataset.own.path, \.dataset.own.manifest, \.style.model, \.style.folder, \.style.bank, \.ring.directory,
    \.state.directory, \.state.runtimeDirectory,
  ]
}
