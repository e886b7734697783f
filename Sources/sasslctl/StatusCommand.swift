import BatchIndex
import BatchRing
import Commands
import Control
import FoundationEssentials
import Glibc
import Terminal

/// `sasslctl status`: what the daemon is doing.
func statusCommand(_ arguments: [String]) throws -> ExitCode {
  let options =
    streamOptions + [
      jsonOption,
      CommandOption(
        "watch", letter: "w", "show it again every second until interrupted; with --json, one object a line"),
    ]
  let command = "sasslctl status"
  guard
    let parsed = try ParsedArguments(
      arguments, of: command,
      usage: "\(command) [NAME] [options]",
      about:
        "Shows what the daemon is doing: how far the stream is, how fast, who waits for whom, and which files are bad.",
      options: options,
      closing: "exit code: 0 the daemon runs, 3 it does not (what is shown is from its index), 4 it does not answer")
  else { return .success }
  guard parsed.operands.count <= 1, parsed.operands.isEmpty || !parsed.has("name") else {
    throw CommandFailure(.usage, "\(command) takes one stream's name; see '\(command) --help'")
  }
  let query = StatusQuery(try loadConfiguration(parsed, operand: parsed.operands.first))
  guard parsed.has("watch") else {
    let report = query.ask()
    let text =
      parsed.has("json")
      ? String(decoding: report.json(pretty: true), as: UTF8.self) + "\n" : report.table(on: .standardOutput)
    print(text, terminator: "")
    return report.state.exitCode
  }
  return watchStatus(query, asJSON: parsed.has("json"))
}

/// Shows the status every second until whoever looks at it is gone.
private func watchStatus(_ query: StatusQuery, asJSON: Bool) -> ExitCode {
  // The end of a pipe's reader is the usual end, and is found below.
  signal(SIGPIPE, SIG_IGN)
  while true {
    let report = query.ask()
    let text =
      if asJSON {
        String(decoding: report.json(pretty: false), as: UTF8.self) + "\n"
      } else if Terminal.standardOutput.canRedraw {
        // Home, and clear to the end, so that the picture stands still.
        "\u{1B}[H\u{1B}[J" + report.table(on: .standardOutput)
      } else {
        report.table(on: .standardOutput) + "\n"
      }
    print(text, terminator: "")
    guard fflush(nil) == 0 else { return report.state.exitCode }
    var output = pollfd(fd: STDOUT_FILENO, events: 0, revents: 0)
    if poll(&output, 1, 1000) > 0 { return report.state.exitCode }
  }
}

extension StatusReport.State {
  /// The exit code that stands for the state.
  fileprivate var exitCode: ExitCode {
    switch self {
    case .starting, .running, .draining: .success
    case .stopped: .stopped
    case .unknown: .unknown
    }
  }
}
