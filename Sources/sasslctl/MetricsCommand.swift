import Basics
import Commands
import Control
import FoundationEssentials
import Glibc
import Log
import Metrics
import WebServer

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
      CommandOption(
        "listen", letter: "l", value: "HOST:PORT",
        "answer Prometheus there until ended; systemd takes the socket of a .socket unit"),
      CommandOption(
        "token-file", value: "FILE",
        "a file with the token that whoever asks must know, needed where others than\nthis machine can connect"),
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
  let named = parsed.operands.count + (parsed.has("name") ? 1 : 0) + (parsed.has("config") ? 1 : 0)
  guard named + (parsed.has("all") ? 1 : 0) <= 1 else {
    throw CommandFailure(.usage, "\(command) takes one stream's name, or --all; see '\(command) --help'")
  }
  guard ["listen", "out", "text"].count(where: parsed.has) <= 1, parsed.has("listen") || !parsed.has("token-file")
  else {
    throw CommandFailure(
      .usage,
      "\(command) prints, writes to --out or answers at --listen, each in a form of its own; see '\(command) --help'")
  }
  let streams = try MeasuredStreams {
    if parsed.has("all") { return KnownStreams().all() }
    return ([try loadConfiguration(parsed, operand: parsed.operands.first)], [])
  } tell: {
    LogStream.standardError.write("\(command): \($0)\n")
  }
  if let place = parsed["listen"] {
    try serve(streams, at: try ListenAddress(place), tokenFile: parsed["token-file"])
  }
  if let file = parsed["out"] {
    try replace(file, with: streams.exposition().text(in: .text))
  } else {
    print(streams.exposition().text(in: parsed.has("text") ? .text : .openMetrics), terminator: "")
  }
  return streams.areComplete ? .success : .configuration
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
