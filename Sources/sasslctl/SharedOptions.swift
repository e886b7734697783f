import Commands
import Configuration
import Control
import FoundationEssentials
import Glibc

/// The options by which every command about a stream is told which one.
let streamOptions = [
  CommandOption("config", letter: "c", value: "FILE", "the daemon's configuration"),
  CommandOption(
    "name", letter: "n", value: "NAME",
    "the stream by its name, as trainers attach to it: one that runs, or is\ninstalled in "
      + "\(KnownStreams.configurationDirectory) (default: \(KnownStreams.configurationDirectory)/sassld.toml, else the only one\n"
      + "that runs)"),
]

/// The option of every command whose result a program may read.
let jsonOption = CommandOption("json", "machine-readable; the form is described in docs/json.md")

/// The configuration of the stream that `--config` or `--name` tells, or that is meant without them.
///
/// - Parameter operand: the stream's name where it was given without an option.
func loadConfiguration(_ parsed: ParsedArguments, operand: String? = nil) throws -> ServiceConfiguration {
  if let file = parsed["config"] {
    guard parsed["name"] == nil, operand == nil else {
      throw CommandFailure(.usage, "a stream is told by its name or by --config, not by both")
    }
    return try ServiceConfiguration.load(path: file)
  }
  let streams = KnownStreams()
  if let name = operand ?? parsed["name"] { return try streams.configuration(named: name) }
  return try streams.defaultConfiguration()
}
