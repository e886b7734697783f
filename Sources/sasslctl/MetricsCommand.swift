import Basics
import Commands
import Configuration
import Control
import FoundationEssentials
import Glibc
import Log
import Metrics

/// `sasslctl metrics`: everything that can be measured of a stream, for Prometheus.
func metricsCommand(_ arguments: [String]) throws -> ExitCode {
  let options =
    streamOptions + [
      CommandOption("all", letter: "a", "every stream that is installed or runs"),
      CommandOption(
        "text", "Prometheus' text format 0.0.4 in place of OpenMetrics, as other programs want it; --out always has it"),
      CommandOption(
        "out", letter: "o", value: "FILE",
        "write to FILE, which is replaced as a whole, for the textfile collector\nof node_exporter"),
    ]
  let command = "sasslctl metrics"
  guard
    let parsed = try ParsedArguments(
      arguments, of: command,
      usage: "\(command) [NAME] [options]",
      about:
        "Prints everything that can be measured of a stream, as OpenMetrics. Where its daemon does not run, that is what\n"
        + "the metrics say: sassl_up is 0, and the rest comes from ring and index.",
      options: options,
      closing: "docs/metrics.md lists the metrics, and has alerts and a dashboard made of them")
  else { return .success }
  let named = parsed.operands.isEmpty && !parsed.has("name") && !parsed.has("config") ? 0 : 1
  guard parsed.operands.count <= 1, parsed.operands.isEmpty || !parsed.has("name"), !parsed.has("all") || named == 0
  else {
    throw CommandFailure(.usage, "\(command) takes one stream's name, or --all; see '\(command) --help'")
  }
  let (configurations, leftOut) =
    parsed.has("all") ? KnownStreams().all() : ([try loadConfiguration(parsed, operand: parsed.operands.first)], [])
  let exposition = Exposition(of: configurations.map { StreamMeasurement(of: $0) })
  if let file = parsed["out"] {
    try replace(file, with: exposition.text(in: .text))
  } else {
    print(exposition.text(in: parsed.has("text") ? .text : .openMetrics), terminator: "")
  }
  for sentence in leftOut { LogStream.standardError.write("\(command): \(sentence)\n") }
  return leftOut.isEmpty ? .success : .configuration
}

/// Writes a file that everybody may read; whoever reads it meanwhile has the former one.
private func replace(_ file: String, with text: String) throws {
  // A name that no collector looks for.
  let temporary = "\(file).\(getpid())"
  do {
    try Data(text.utf8).write(to: URL(fileURLWithPath: temporary))
    guard chmod(temporary, 0o644) == 0, rename(temporary, file) == 0 else {
      throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO)
    }
  } catch {
    unlink(temporary)
    throw CommandFailure(.cannotCreate, "cannot write \(file): \(systemReason(of: error))")
  }
}
