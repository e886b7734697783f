import Basics
import Commands
import Configuration
import Dataset
import Diagnostics
import FoundationEssentials
import Glibc
import Streams

/// What `sasslctl dataset --json` prints.
private struct DatasetDescription: Encodable {
  struct Picture: Encodable {
    let sampleId: Int
    let path: String
    let reason: String
  }

  struct Labels: Encodable {
    let different: Int
    let lowest: Int64?
    let highest: Int64?
    let samplesWithout: Int
  }

  /// What the folder or the shards hold, and the manifest does not, and the other way round.
  struct Manifest: Encodable {
    let samplesNotInIt: Int
    let samplesGone: Int
  }

  let dataset: String
  let samples: Int
  let sourceSamples: [Int]
  let labels: Labels
  let leftOut: String
  let openingSeconds: Double
  var manifest: Manifest?
  var reading: Reading?

  struct Reading: Encodable {
    let seconds: Double
    let bytes: Int
    let picturesPerSecond: Double
    let bad: [Picture]
    let copies: [[String]]
  }
}

/// `sasslctl dataset`: reads all pictures once before a long run does.
func datasetCommand(_ arguments: [String]) throws -> ExitCode {
  let options =
    streamOptions + [
      CommandOption("count", "only count, without reading the pictures"),
      CommandOption(
        "workers", letter: "w", value: "N", "threads that read (default: as the daemon)"),
      CommandOption(
        "bad", value: "FILE", "write the bad pictures there: each path, a tab, the reason"),
      CommandOption(
        "freeze", value: "FILE",
        "write a manifest of the pictures there, without those found bad;\n"
          + "dataset.manifest names it, and is not looked at for this"
      ),
      CommandOption("drop-copies", "leave all but the first of equal pictures out of the manifest"),
      jsonOption,
    ]
  let command = "sasslctl dataset"
  guard
    let parsed = try ParsedArguments(
      arguments, of: command, usage: "\(command) [options]",
      about:
        "Reads and decodes every picture of the data set once, before a long run does: counts, times, finds those that\n"
        + "cannot be used and those that are there more than once. The headers of shards are read too, and kept for the\n"
        + "daemon. Exit code 1 says that there are bad pictures.",
      options: options)
  else { return .success }
  try parsed.requireNoOperands(of: command)
  let configuration = try loadConfiguration(parsed)
  let workers = try parsed.number("workers", in: 1...1024) ?? configuration.workers.resolvedCount
  if parsed.has("count"), parsed.has("bad") || parsed.has("drop-copies") {
    throw CommandFailure(
      .usage, "--count reads no pictures, so it finds neither bad ones nor copies")
  }
  if parsed.has("freeze"), configuration.dataset.sources.count > 1 {
    throw CommandFailure(
      .usage, "--freeze takes one source; freeze each with a configuration that has it alone")
  }
  let opening = Moment()
  // What is frozen anew is what is there now, and not what an earlier manifest says.
  let opened = parsed.has("freeze") ? unfrozen(configuration) : configuration
  let (catalog, description) = try open(opened, since: opening)
  var report = description
  var survey: DatasetSurvey?
  if !parsed.has("count") {
    let limits = configuration.limits.decodeLimits
    let found = try showingProgress { try DatasetSurvey(of: catalog, limits: limits, workers: workers, progress: $0) }
    report.reading = reading(found, in: catalog)
    survey = found
  }
  if let file = parsed["bad"], let survey {
    var text = Data()
    for picture in survey.bad {
      text.append(contentsOf: catalog.path(of: picture.sample).bytes + "\t\(picture.reason)\n".utf8)
    }
    try write(text, to: file)
  }
  if let file = parsed["freeze"] {
    var dropped = Set(survey?.bad.map(\.sample) ?? [])
    if parsed.has("drop-copies") {
      dropped.formUnion(survey?.copies.flatMap { $0.dropFirst() } ?? [])
    }
    guard dropped.count < catalog.count else {
      throw CommandFailure(
        .badData, "no picture of the data set can be used, so there is nothing to freeze")
    }
    try write(catalog.manifest { !dropped.contains($0) }, to: file)
  }
  if parsed.has("json") {
    print(try jsonText(report))
  } else {
    show(report)
    if let file = parsed["freeze"] {
      print("manifest    \(file); dataset.manifest = \"\(file)\" freezes the data set to it")
    }
  }
  return survey?.bad.isEmpty == false ? .problems : .success
}

/// Opens the samples and describes them.
private func open(
  _ configuration: ServiceConfiguration, since began: Moment
) throws -> (SampleCatalog, DatasetDescription) {
  let catalog = try showingProgress { try OpenedStream.catalog(configuration, progress: $0) }
  let seconds = began.secondsSince
  var labels: [Int64: Int] = [:]
  for sample in 0..<catalog.count { labels[catalog.label(of: sample), default: 0] += 1 }
  let without = labels.removeValue(forKey: -1) ?? 0
  var description = DatasetDescription(
    dataset: configuration.dataset.name, samples: catalog.count,
    sourceSamples: catalog.sourceCounts,
    labels: .init(
      different: labels.count, lowest: labels.keys.min(), highest: labels.keys.max(),
      samplesWithout: without),
    leftOut: catalog.leftOut.description, openingSeconds: seconds)
  if configuration.dataset.sources.contains(where: { !$0.manifest.isEmpty }) {
    let all = try showingProgress { try OpenedStream.catalog(unfrozen(configuration), progress: $0) }
    let found = Set((0..<all.count).map { all.path(of: $0) })
    let frozen = Set((0..<catalog.count).map { catalog.path(of: $0) })
    description.manifest = .init(
      samplesNotInIt: found.subtracting(frozen).count, samplesGone: frozen.subtracting(found).count)
  }
  return (catalog, description)
}

/// The same without manifests: all that is there.
private func unfrozen(_ configuration: ServiceConfiguration) -> ServiceConfiguration {
  var unfrozen = configuration
  unfrozen.dataset.own.manifest = ""
  for index in unfrozen.dataset.tables.indices { unfrozen.dataset.tables[index].manifest = "" }
  return unfrozen
}

private func reading(_ survey: DatasetSurvey, in catalog: SampleCatalog)
  -> DatasetDescription.Reading
{
  DatasetDescription.Reading(
    seconds: survey.seconds, bytes: survey.bytes,
    picturesPerSecond: Double(catalog.count) / survey.seconds,
    bad: survey.bad.map {
      .init(sampleId: $0.sample, path: catalog.path(of: $0.sample).description, reason: $0.reason)
    },
    copies: survey.copies.map { $0.map { catalog.path(of: $0).description } })
}

private func write(_ data: Data, to file: String) throws {
  do {
    try data.write(to: URL(fileURLWithPath: file), options: .atomic)
  } catch {
    throw CommandFailure(.cannotCreate, "cannot write \(file): \(systemReason(of: error))")
  }
}

private func show(_ report: DatasetDescription) {
  func line(_ title: String, _ text: String) { print(title.padded(to: 12) + text) }
  line("dataset", report.dataset)
  let sources =
    report.sourceSamples.count > 1
    ? " (\(report.sourceSamples.map(String.init).joined(separator: " + ")))" : ""
  line(
    "samples",
    "\(report.samples)\(sources), found in \(String(printf: "%.1f", report.openingSeconds)) s")
  if let lowest = report.labels.lowest, let highest = report.labels.highest {
    line(
      "labels",
      "\(report.labels.different) from \(lowest) to \(highest); \(report.labels.samplesWithout) samples without"
    )
  } else {
    line("labels", "none")
  }
  if !report.leftOut.isEmpty { line("left out", report.leftOut) }
  if let manifest = report.manifest {
    line(
      "manifest",
      "\(manifest.samplesNotInIt) samples are there and not in it, \(manifest.samplesGone) of it are gone"
    )
  }
  guard let reading = report.reading else { return }
  line(
    "read",
    String(
      printf: "%.1f MB in %.1f s: %.0f pictures/s, %.1f MB/s", Double(reading.bytes) / 1e6,
      reading.seconds,
      reading.picturesPerSecond, Double(reading.bytes) / 1e6 / reading.seconds))
  line("bad", "\(reading.bad.count) pictures")
  for picture in reading.bad.prefix(10) { print("  \(picture.path) \(picture.reason)") }
  if reading.bad.count > 10 { print("  ...; --bad FILE writes them all") }
  line("copies", "\(reading.copies.reduce(0) { $0 + $1.count - 1 }) pictures are copies of others")
  for group in reading.copies.prefix(10) { print("  " + group.prefix(4).joined(separator: " = ")) }
  if reading.copies.count > 10 { print("  ...; --json has them all") }
}
