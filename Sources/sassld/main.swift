import Basics
import Commands
import Configuration
import FoundationEssentials
import Glibc
import Lifecycle
import LongWork
import Terminal

let options = [
  CommandOption("config", letter: "c", value: "FILE", "the configuration (default /etc/sassl/sassld.toml)"),
  CommandOption("check-config", "check the configuration, say what is wrong with it, and exit"),
  CommandOption(
    "parent", value: "PID", "the process that starts this one: stop when it has ended, however it ends"),
  CommandOption("version", "the version"),
]

runReporting("sassld") {
  guard
    let parsed = try ParsedArguments(
      Array(CommandLine.arguments.dropFirst()), of: "sassld", usage: "sassld [options]",
      about:
        "Keeps batches of stylized views ready in shared memory, ahead of a trainer that reads them without a copy.\n"
        + "Runs in the foreground, under systemd or by hand, and reports to standard error.",
      options: options,
      closing:
        "SIGTERM stops it within two seconds, SIGHUP reads the configuration again. 'sasslctl status' shows how it is doing."
    )
  else { return .success }
  if parsed.has("version") {
    print("sassld \(programVersion)")
    return .success
  }
  try parsed.requireNoOperands(of: "sassld")
  let path = parsed["config"] ?? "/etc/sassl/sassld.toml"
  if parsed.has("check-config") {
    _ = try ServiceConfiguration.load(path: path)
    print("\(path) is in order")
    return .success
  }
  let parent = try parsed.number("parent", in: 1...pid_t.max)
  let display = Terminal.standardError.canRedraw ? ProgressDisplay() : nil
  let showProgress = display.map { display in
    { @Sendable (progress: WorkProgress?) in
      if let progress { display.update(progress) } else { display.end() }
    }
  }
  try Daemon(configurationPath: path, parent: parent, onProgress: showProgress).run()
  return .success
}
