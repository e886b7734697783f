import Basics
import Commands
import FoundationEssentials
import Glibc
import Log
import WebServer

/// A subcommand: its name, one line for the overview, and what it does.
struct Command {
  let name: String
  let summary: String
  let run: ([String]) throws -> ExitCode
}

let commands: [Command] = [
  Command(
    name: "status", summary: "what the daemon is doing; exit code 0 running, 3 stopped, 4 unknown", run: statusCommand),
  Command(name: "metrics", summary: "the same for Prometheus, and for files that it reads", run: metricsCommand),
  Command(
    name: "doctor", summary: "what would keep the service from working, and what to do about it", run: doctorCommand),
  Command(name: "preview", summary: "a picture of one batch: originals beside their views", run: previewCommand),
  Command(
    name: "inspect", summary: "what was drawn for every sample of one batch, and how long it took", run: inspectCommand),
  Command(name: "page", summary: "the ring, the speed and the draws in a browser, or as a file", run: pageCommand),
  Command(name: "styles", summary: "add style folders to the index, list what it holds", run: stylesCommand),
  Command(name: "stylize", summary: "stylize one picture", run: stylizeCommand),
  Command(name: "model", summary: "describe or import a style model", run: modelCommand),
  Command(
    name: "dataset", summary: "read every picture once: count, find bad ones and copies, freeze", run: datasetCommand),
  Command(name: "bench", summary: "how many images a second this machine prepares", run: benchCommand),
  Command(name: "config", summary: "show the configuration that is in force, with its defaults", run: configCommand),
]

let overview =
  "usage: sasslctl COMMAND [options]\n\n"
  + "Looks after sassld, the daemon that keeps stylized batches ready ahead of a trainer.\n\ncommands:\n"
  + commands.map { "  " + $0.name.padded(to: 10) + $0.summary + "\n" }.joined()
  + "\n'sasslctl COMMAND --help' tells more. Start the daemon with 'sassld --config FILE'.\n"

let arguments = Array(CommandLine.arguments.dropFirst())
let command = commands.first { $0.name == arguments.first }

runReporting(command.map { "sasslctl \($0.name)" } ?? "sasslctl") {
  if let command {
    do {
      return try command.run(Array(arguments.dropFirst()))
    } catch let error as HTTPServerError {
      throw CommandFailure(error)
    }
  }
  switch arguments.first {
  case nil:
    LogStream.standardError.write(overview)
    return .usage
  case "--help", "-h", "help":
    print(overview, terminator: "")
  case "--version":
    print("sasslctl \(programVersion)")
  case let name?:
    throw CommandFailure(.usage, "'\(name)' is no command; see 'sasslctl --help'")
  }
  return .success
}
