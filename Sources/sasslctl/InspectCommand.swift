import Basics
import BatchIndex
import BatchRing
import Commands
import Configuration
import FoundationEssentials
import Glibc

/// What `sasslctl inspect --json` prints.
private struct BatchDescription: Encodable {
  struct Sample: Encodable {
    let sampleId: Int64
    let replacedSampleId: Int64?
    let styles: [Style]
    /// For each view what was drawn for it, by name, and its number as `view`; absent where the ring has no such columns.
    let drawn: [[String: DrawnValue]]?
  }

  /// One for each view that may be stylized; the first view is view 0, as in the ring.
  struct Style: Encodable {
    let view: Int
    let applied: Bool
    let styleId: Int64
    let alpha: Float
    let beta: Float
  }

  let batch: UInt64
  let rank: Int
  let epoch: UInt64
  let step: Int
  let slot: Int
  let madeAtSeconds: Double
  let consumedAtSeconds: Double?
  let decodeMilliseconds: Double
  let cropMilliseconds: Double
  let styleMilliseconds: Double
  let augmentMilliseconds: Double
  let checksum: String
  let samples: [Sample]
}

/// `sasslctl inspect BATCH`: what was drawn for a batch, and how long it took.
func inspectCommand(_ arguments: [String]) throws -> ExitCode {
  let options =
    streamOptions + [
      CommandOption("rank", value: "R", "which rank's slice (default: the first that the daemon serves)"),
      jsonOption,
    ]
  let command = "sasslctl inspect"
  guard
    let parsed = try ParsedArguments(
      arguments, of: command,
      usage: "\(command) BATCH [options]",
      about:
        "Shows what was drawn for every sample of a batch, when it was made and read, and how long each stage took.\n"
        + "It is read from the index, which keeps the latest index.window_batches batches, also when no daemon runs.\n"
        + "While the batch is still in the ring, its bytes are checked against their checksum.",
      options: options)
  else { return .success }
  guard parsed.operands.count == 1, let number = UInt64(parsed.operands[0]) else {
    throw CommandFailure(.usage, "\(command) takes the number of one batch; see '\(command) --help'")
  }
  let configuration = try loadConfiguration(parsed)
  let rank = try parsed.number("rank", in: 0...Int(Int32.max)) ?? configuration.batch.ranks[0]
  let path = ServicePlaces(of: configuration).indexPath
  let reader: BatchIndexReader
  do throws(DatabaseError) {
    reader = try BatchIndexReader(path: path)
  } catch {
    throw CommandFailure(.noInput, "cannot read the index \(path): \(error)")
  }
  guard let batch = try reader.batch(number, rank: rank) else {
    throw CommandFailure(
      .noInput,
      "batch \(number) of rank \(rank) is not in the index: it has not been made, or is older than the "
        + "\(configuration.index.windowBatches) batches that index.window_batches keeps")
  }
  let description = BatchDescription(
    batch: batch.number, rank: batch.rank, epoch: batch.epoch, step: batch.step, slot: batch.slot,
    madeAtSeconds: batch.madeAt.timeIntervalSince1970, consumedAtSeconds: batch.consumedAt?.timeIntervalSince1970,
    decodeMilliseconds: batch.stages.decode.milliseconds, cropMilliseconds: batch.stages.crop.milliseconds,
    styleMilliseconds: batch.stages.style.milliseconds, augmentMilliseconds: batch.stages.augment.milliseconds,
    checksum: checksum(ofBatch: number, rank: rank, configuration: configuration),
    samples: batch.samples.enumerated().map { position, sample in
      BatchDescription.Sample(
        sampleId: sample.sampleID, replacedSampleId: sample.replacedSampleID,
        styles: sample.styles.map {
          BatchDescription.Style(
            view: $0.view, applied: $0.isStyled, styleId: $0.styleID, alpha: $0.alpha, beta: $0.beta)
        }, drawn: batch.drawn.isEmpty ? nil : DrawnValue.views(of: batch.drawn, at: position))
    })
  if parsed.has("json") {
    print(try jsonText(description))
  } else {
    show(description)
    show(batch.drawn, count: batch.samples.count)
  }
  return .success
}

/// Whether the batch is in the ring now, and whole.
private func checksum(ofBatch number: UInt64, rank: Int, configuration: ServiceConfiguration) -> String {
  let location = RingLocation(
    directory: configuration.ring.directory, name: configuration.stream.name, rank: rank)
  do throws(RingError) {
    _ = try RingObserver(at: location).batch(number)
    return "matches"
  } catch {
    return error.kind == .checksum ? "does not match" : "not in the ring"
  }
}

private func show(_ batch: BatchDescription) {
  func moment(_ seconds: Double) -> String { Date(timeIntervalSince1970: seconds).formatted(.iso8601) }
  print("batch \(batch.batch) of rank \(batch.rank): epoch \(batch.epoch), step \(batch.step), slot \(batch.slot)")
  print(
    "made \(moment(batch.madeAtSeconds)), \(batch.consumedAtSeconds.map { "read \(moment($0))" } ?? "not read yet")")
  print("checksum: \(batch.checksum)")
  print(
    String(
      printf: "core time: decode %.1f ms, crop %.1f ms, style %.1f ms, augment %.1f ms", batch.decodeMilliseconds,
      batch.cropMilliseconds, batch.styleMilliseconds, batch.augmentMilliseconds))
  // The styled views beside each other, in their order.
  let views = batch.samples.first?.styles.map(\.view) ?? []
  let headings = views.map { String(printf: "  view %-2d style    alpha     beta", $0) }
  print("position     sample" + headings.joined())
  for (position, sample) in batch.samples.enumerated() {
    let styles = sample.styles.map { style in
      style.applied
        ? (style.styleId < 0 ? "          drawn" : String(printf: "%15d", style.styleId))
          + String(printf: " %8.3f %8.3f", style.alpha, style.beta)
        : "              -                  "
    }
    let replaced = sample.replacedSampleId.map { "  in place of \($0), which is bad" } ?? ""
    print(String(printf: "%8d %10d", position, sample.sampleId) + styles.joined() + replaced)
  }
}

/// What was drawn, a line for each sample and view. What did not happen is left out, with its numbers.
private func show(_ drawn: [DrawnNumbers], count: Int) {
  if drawn.isEmpty { return }
  print("\nposition view  drawn")
  let columns = Dictionary(grouping: drawn, by: \.view).sorted { $0.key < $1.key }
  for position in 0..<count {
    for (view, columns) in columns {
      var idle: [String] = []
      let words = columns.compactMap { column -> String? in
        let value = DrawnValue(column, at: position)
        if idle.contains(where: { column.name.hasPrefix($0 + "_") }) { return nil }
        if case .flag(let happened) = value {
          if !happened { idle.append(column.name) }
          return happened ? column.name : nil
        }
        return "\(column.name) \(value)"
      }
      print(String(printf: "%8d %4d  ", position, view) + words.joined(separator: ", "))
    }
  }
}

extension Duration {
  /// The duration in milliseconds.
  fileprivate var milliseconds: Double {
    Double(components.seconds) * 1e3 + Double(components.attoseconds) / 1e15
  }
}
