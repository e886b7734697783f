import Augmentation
import Basics
import BatchIndex
import BatchRing
import Configuration
import Dataset
import FoundationEssentials
import Glibc
import Imaging
import Log
import LongWork
import Pipeline
import Settings
import StyleTransfer

/// Opens what a configuration names: model, samples, styles. What `sassld` serves and `sasslctl preview` shows is opened here,
/// so that they cannot differ.
package struct OpenedStream: Sendable {
  /// Everything that the content is made from.
  package let source: StreamSource
  /// One schedule for each rank of `batch.ranks`, in that order.
  package let schedules: [StreamSchedule]
  /// Hash of everything that determines the stream: configuration, samples, model, styles.
  package let fingerprint: [UInt8]
  /// The same in words, one `key = value` line each: whoever meets another fingerprint learns from it what has changed.
  package let settings: String
  /// The model, by name.
  package let modelName: String

  /// The fingerprint in 64 hexadecimal digits, as readers of the ring show it.
  package var fingerprintText: String { fingerprint.map { String(printf: "%02x", $0) }.joined() }

  /// Opens a stream.
  ///
  /// - Parameters:
  ///   - journal: told of what is skipped or slow; `nil` for silence.
  ///   - index: where embeddings of style pictures are kept.
  ///   - reader: where they are looked up.
  ///   - progress: told now and then what is being done and how far it is.
  /// - Throws: `DatasetError`, `ModelError`, `StyleFolderError` or `StyleWeights.Fault`.
  package init(
    _ configuration: ServiceConfiguration, journal: Journal?, reader: BatchIndexReader?, index: BatchIndex?,
    progress: (WorkProgress) -> Void
  ) throws {
    let recipes = configuration.viewRecipes
    let limits = configuration.limits.decodeLimits
    var model: StyleModel?
    var modelFingerprint: UInt64 = 0
    if recipes.contains(where: { $0.style != nil }) {
      let location = ModelLocation(configuration.style.model)
      progress(WorkProgress("loading the style model"))
      let (opened, fingerprint) = try location.loadWithFingerprint()
      // Blending needs the style of every picture itself, wherever the other style comes from.
      _ = try opened.requiredPredictorSide(of: location.name)
      model = opened
      modelFingerprint = fingerprint
      modelName = location.name
    } else {
      modelName = "none"
    }
    progress(WorkProgress("reading the dataset"))
    let known = Self.lastCount(in: reader)
    let catalog = try Self.catalog(configuration) { progress(Self.completed($0, by: known)) }
    if catalog.leftOut.count > 0 {
      journal?.write(
        .notice, "left out of the dataset \(configuration.dataset.name): \(catalog.leftOut)")
    }
    let styles = try Self.styles(
      configuration, model: model, modelFingerprint: modelFingerprint, limits: limits, journal: journal, reader: reader,
      index: index, progress: progress)
    source = StreamSource(
      seed: configuration.stream.seed, catalog: catalog, recipes: recipes, model: model, styles: styles,
      styleGroupSize: configuration.style.group, sharesStyles: configuration.style.sharedByViews, limits: limits,
      appliesOrientation: configuration.dataset.applyOrientation)
    schedules = try configuration.batch.ranks.map {
      try Self.schedule(configuration, of: catalog, rank: $0)
    }
    let fingerprints = Fingerprints(
      configuration: configuration.fingerprint, samples: catalog.fingerprint,
      model: Fingerprint(rawValue: modelFingerprint), styles: styles.fingerprint)
    fingerprint = fingerprints.bytes
    settings = Self.settings(
      configuration, fingerprints: fingerprints, samples: catalog.count, model: model == nil ? nil : modelName,
      styles: styles)
  }

  /// Opens a stream for a command that makes batches without a daemon. Embeddings that the stream's index has are used; nothing is
  /// written to it.
  ///
  /// - Parameter progress: told now and then what is being done and how far it is.
  /// - Throws: as the other initialiser.
  package init(withoutDaemon configuration: ServiceConfiguration, progress: (WorkProgress) -> Void) throws {
    // An index that is not there, or not for this user, costs no more than embedding the styles once more.
    let reader = try? BatchIndexReader(path: ServicePlaces(of: configuration).indexPath)
    try self.init(configuration, journal: nil, reader: reader, index: nil, progress: progress)
  }

  /// How many samples the stream had when it was opened last, as its index knows.
  private static func lastCount(in reader: BatchIndexReader?) -> Int? {
    (try? reader?.instances(limit: 1).first?.facts["samples"]).flatMap { $0 }.flatMap { Int($0) }
  }

  /// Progress that does not know its end, with the number of the last time as the end.
  private static func completed(_ progress: WorkProgress, by known: Int?) -> WorkProgress {
    guard var count = progress.count, count.total == nil, let known, count.done <= known else { return progress }
    count.total = known
    return WorkProgress(progress.activity, count, note: "as many as there were at the last start")
  }

  private static func styles(
    _ configuration: ServiceConfiguration, model: StyleModel?, modelFingerprint: UInt64, limits: DecodeLimits,
    journal: Journal?, reader: BatchIndexReader?, index: BatchIndex?, progress: (WorkProgress) -> Void
  ) throws -> StyleSource {
    guard let model else { return .inBatch }
    switch configuration.style.source {
    case .inBatch:
      return .inBatch
    case .folder:
      let folder = try StyleFolder(
        at: configuration.style.folder, model: model, modelFingerprint: modelFingerprint, reader: reader, writer: index,
        limits: limits, progress: progress)
      for refusal in folder.refused {
        journal?.write(.warning, kind: "style", "style picture \(refusal.path) is left out: \(refusal.reason)")
      }
      return .embeddings(
        names: folder.names, folder.embeddings, weights: try configuration.style.weights(for: folder.names))
    case .bank:
      let bank = try StyleBank.named(configuration.style.bank, for: model, modelFingerprint: modelFingerprint)
      let names = bank.entries.map(\.name)
      return .embeddings(
        names: names, bank.entries.map(\.embedding), weights: try configuration.style.weights(for: names))
    case .sampled:
      let path = configuration.style.bank
      return .sampled(
        try StyleBank.named(path, for: model, modelFingerprint: modelFingerprint)
          .requiredDistribution(at: StyleBank.name(of: path)))
    }
  }

  private static func settings(
    _ configuration: ServiceConfiguration, fingerprints: Fingerprints, samples: Int, model: String?, styles: StyleSource
  ) -> String {
    var settings = configuration.streamSettings
    settings.append(("dataset", "\(samples) samples, hash \(fingerprints.samples)"))
    // The hashes first, because names can be long and are cut off in messages.
    if let model { settings.append(("style.model", "hash \(fingerprints.model), \(SettingValue.string(model).toml)")) }
    switch styles {
    case .inBatch: break
    case .embeddings(let names, _, _):
      settings.append(("styles", "\(names.count) styles, hash \(fingerprints.styles)"))
    case .sampled(let distribution):
      settings.append(("styles", "a Gaussian of \(distribution.mean.count) numbers, hash \(fingerprints.styles)"))
    }
    return settings.map { "\($0.key) = \($0.value)\n" }.joined()
  }
}

/// Four independent fingerprints, so that equal streams, and only those, agree in all of them.
private struct Fingerprints {
  let configuration: Fingerprint
  let samples: Fingerprint
  /// Zero where no view is stylized.
  let model: Fingerprint
  let styles: Fingerprint

  /// 32 bytes.
  var bytes: [UInt8] {
    [configuration, samples, model, styles].flatMap { withUnsafeBytes(of: $0.rawValue.bigEndian, Array.init) }
  }
}

extension StyleSource {
  /// The fingerprint of the embeddings with their weights, or of the Gaussian, if there are any.
  fileprivate var fingerprint: Fingerprint {
    var weights: StyleWeights?
    let numbers: [[Float]]
    switch self {
    case .inBatch: numbers = []
    case .embeddings(_, let list, let listed): (numbers, weights) = (list.map(\.values), listed)
    case .sampled(let distribution): numbers = [distribution.mean, distribution.factor]
    }
    return Fingerprint { digest in
      for value in numbers.joined() { digest.append(Int64(value.bitPattern)) }
      // Rules are about names: a style that is renamed may weigh something else.
      for sum in weights?.sums ?? [] { digest.append(Int64(bitPattern: sum.bitPattern)) }
    }
  }
}
