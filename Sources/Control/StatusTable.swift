import Basics
import FoundationEssentials
import Glibc
import Terminal

extension StatusReport {
  /// The report as `sasslctl status` shows it to a person, in the colours of a terminal.
  package func table(on terminal: Terminal = .absent) -> String {
    var lines: [String] = []
    func row(_ title: String, _ text: String) {
      lines.append(title.padded(to: Self.indent) + text)
    }
    row("stream", "\(name): \(headline(on: terminal))")
    if !fingerprint.isEmpty { row("fingerprint", fingerprint) }
    row("dataset", samples > 0 ? "\(dataset), \(samples) samples" : dataset)
    if process != nil {
      row("style", styleSource == "none" ? "none" : "\(styleSource), model \(model), \(cpuPath)")
      row(
        "speed",
        String(printf: "%.1f images/s over 10 s, ", imagesPerSecond)
          + "\(images) images since start, \(workers) workers on \(cores) cores")
      row("per image", stages.line)
      for ring in rings { row("rank \(ring.rank)", ring.line) }
      if let advice { row("advice", advice) }
    }
    row("bad files", "\(quarantinedFiles)" + (process == nil ? "" : ", \(replacedSamples) samples replaced"))
    let margin = String(repeating: " ", count: Self.indent + 2)
    for sample in quarantine.prefix(Self.listedQuarantine) { lines.append("\(margin)\(sample.path): \(sample.reason)") }
    if quarantinedFiles > Self.listedQuarantine { lines.append("\(margin)... more of them with --json") }
    row("index", index)
    if process != nil { row("memory", String(printf: "%.0f MiB resident", Double(residentBytes) / 1_048_576)) }
    return lines.joined(separator: "\n") + "\n"
  }

  /// How many bad files the table names.
  private static let listedQuarantine = 20
  /// Where the second column begins.
  private static let indent = 13

  private func headline(on terminal: Terminal) -> String {
    let who = process.map { " (process \($0))" } ?? ""
    let began = Date(timeIntervalSince1970: startedAtSeconds).formatted(.iso8601)
    let since = startedAtSeconds > 0 ? (process == nil ? ", last started \(began)" : " since \(began)") : ""
    return "\(terminal.coloured(state.rawValue, state.colour))\(who)\(since)\(detail.isEmpty ? "" : ": \(detail)")"
  }
}

extension StatusReport.State {
  fileprivate var colour: Terminal.Colour {
    switch self {
    case .running: .good
    case .starting, .draining: .caution
    case .stopped, .unknown: .problem
    }
  }
}

extension StatusReport.StageTimes {
  /// The stages in the order of the work, in milliseconds.
  fileprivate var line: String {
    let stages: [(name: String, microseconds: Double)] = [
      ("read", readMicroseconds), ("decode", decodeMicroseconds), ("crop", cropMicroseconds),
      ("embed", embedMicroseconds), ("stylize", stylizeMicroseconds), ("augment", augmentMicroseconds),
    ]
    return stages.map { $0.name + String(printf: " %.2f", $0.microseconds / 1000) }.joined(separator: ", ") + " ms"
  }
}

extension StatusReport.Ring {
  /// One line on a ring: where the stream is, what is ready, and who waits for whom.
  fileprivate var line: String {
    let reader = readerProcess.map { "read by process \($0)" } ?? "no reader"
    let place = "batch \(nextBatch) next (epoch \(epoch), step \(step) of \(batchesPerEpoch))"
    let waiting = String(
      printf: "in the last minute the trainer waited %.0f %%, the workers %.0f %%", trainerStarvedPercent, fullPercent)
    return "\(place), \(readyBatches) of \(slots) slots ready, \(reader); \(waiting)"
  }
}
