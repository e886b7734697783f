import BatchIndex
import BatchRing
import FoundationEssentials
import Glibc
import Service

/// `sasslctl status`: what the daemon is doing.
func statusCommand(_ arguments: [String]) throws -> ExitCode {
  let options = [
    configOption,
    CommandOption("json", "machine-readable; the form is described in docs/operations.md"),
    CommandOption("watch", letter: "w", "show it again every second until interrupted"),
  ]
  let command = "sasslctl status"
  guard
    let parsed = try ParsedArguments(
      arguments, of: command,
      usage: "\(command) [options]",
      about:
        "Shows what the daemon is doing: how far the stream is, how fast, who waits for whom, and which files are bad.",
      options: options,
      closing: "exit code: 0 the daemon runs, 3 it does not (what is shown is from its index), 4 it does not answer")
  else { return .success }
  try parsed.requireNoOperands(of: command)
  let configuration = try loadConfiguration(parsed)
  var code = try showStatus(of: configuration, asJSON: parsed.has("json"))
  while parsed.has("watch") {
    sleep(1)
    // Home, and clear to the end, so that the picture stands still on a terminal.
    if isatty(STDOUT_FILENO) == 1 { print("\u{1B}[H\u{1B}[J", terminator: "") }
    code = try showStatus(of: configuration, asJSON: parsed.has("json"))
  }
  return code
}

private func showStatus(of configuration: ServiceConfiguration, asJSON: Bool) throws -> ExitCode {
  let (report, code) = try StatusQuery(configuration).ask()
  if asJSON {
    print(String(decoding: report.json(pretty: true), as: UTF8.self))
  } else {
    print(report.table(), terminator: "")
  }
  return code
}
