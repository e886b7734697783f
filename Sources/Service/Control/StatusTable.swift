import Foundation

extension StatusReport {
  /// The report as `sasslctl status` shows it to a person.
  public func table() -> String {
    var lines: [String] = []
    func row(_ title: String, _ text: String) {
      lines.append(title.padding(toLength: 12, withPad: " ", startingAt: 0) + text)
    }
    let since = startedAtSeconds > 0 ? " since \(Self.moment(startedAtSeconds))" : ""
    let who = process.map { " (process \($0))" } ?? ""
    row(name, "\(state.rawValue)\(who)\(since)\(detail.isEmpty ? "" : ": \(detail)")")
    row("dataset", "\(dataset), \(samples) samples")
    row("style", "\(styleSource), model \(model), \(cpuPath)")
    row(
      "speed",
      String(format: "%.1f images/s over 10 s, ", imagesPerSecond) + "\(images) images since start, \(workers) workers")
    let stageList: [(String, Double)] = [
      ("read", stages.readMicroseconds), ("decode", stages.decodeMicroseconds), ("crop", stages.cropMicroseconds),
      ("embed", stages.embedMicroseconds), ("stylize", stages.stylizeMicroseconds),
      ("augment", stages.augmentMicroseconds),
    ]
    row(
      "per image",
      stageList.map { String(format: "%@ %.2f", $0.0 as NSString, $0.1 / 1000) }.joined(separator: ", ") + " ms")
    for ring in rings {
      row("rank \(ring.rank)", ring.summary)
    }
    row("bad files", "\(quarantinedFiles), \(replacedSamples) samples replaced")
    for sample in quarantine.prefix(Self.listedQuarantine) {
      lines.append("              \(sample.path): \(sample.reason)")
    }
    if quarantinedFiles > Self.listedQuarantine {
      lines.append("              ... all of them with --json")
    }
    row("index", index)
    row("memory", String(format: "%.0f MiB resident", Double(residentBytes) / 1_048_576))
    return lines.joined(separator: "\n") + "\n"
  }

  /// How many bad files the table names.
  private static let listedQuarantine = 20

  private static func moment(_ seconds: Double) -> String {
    Date(timeIntervalSince1970: seconds).formatted(.iso8601)
  }
}

extension StatusReport.Ring {
  /// One line on a ring: where the stream is, what is ready, and who waits for whom.
  fileprivate var summary: String {
    let reader = readerProcess.map { "read by process \($0)" } ?? "no reader"
    let place = "batch \(nextBatch) next (epoch \(epoch), step \(step) of \(batchesPerEpoch))"
    let waiting: String
    if readerProcess == nil && publishedBatches == releasedBatches + UInt64(readyBatches) && fullPercent > 50 {
      waiting = "waiting for a reader"
    } else {
      waiting = String(
        format: "ring full %.0f %% of the time, trainer starved %.0f %%", fullPercent, trainerStarvedPercent)
    }
    return "\(place), \(readyBatches) of \(slots) slots ready, \(reader); \(waiting)"
  }
}
