import Basics
import FoundationEssentials
import Glibc
import Log
import StyleTransfer

/// Seconds that a program which ends waits for its last lines to be written.
private let lastLinesPatience = 0.5

/// Runs a program: what it throws becomes one sentence on standard error and an exit status, with `--json` also an object on standard
/// output, and where its output cannot be written that is an error too.
///
/// It ends the process with that status at once: at `exit(3)`, libraries wait for threads of theirs that a machine without memory
/// may never have started.
package func runReporting(_ name: String, _ body: () throws -> ExitCode) -> Never {
  openStandardDescriptors()
  var code: ExitCode
  do {
    if let problem = KernelPath.problem(with: ProcessInfo.processInfo.environment[KernelPath.variable]) {
      throw CommandFailure(.configuration, problem)
    }
    code = try body()
  } catch {
    let failure = CommandFailure(for: error)
    LogStream.standardError.write("\(name): \(failure.message)\n")
    code = failure.code
    if asksForJSON(CommandLine.arguments), let text = try? jsonText(FailureDescription(failure)) { print(text) }
  }
  if fflush(nil) != 0 && !hasNoReader(STDOUT_FILENO) {
    LogStream.standardError.write("\(name): the output could not be written; is the disk full?\n")
    if code == .success { code = .inputOutput }
  }
  LogStream.standardError.flush(seconds: lastLinesPatience)
  _exit(code.rawValue)
}

/// Opens those of the three standard descriptors that are closed, on `/dev/null`. Otherwise the next file that is opened would get
/// the number, and lines meant for people would be written into it.
private func openStandardDescriptors() {
  for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] where fcntl(descriptor, F_GETFD) < 0 {
    // The lowest free number is given, and this is it.
    _ = open("/dev/null", O_RDWR)
  }
}

/// Whether the other end of a pipe is closed: who reads no further, as `head` does, has all that was wanted.
private func hasNoReader(_ descriptor: Int32) -> Bool {
  var entry = pollfd(fd: descriptor, events: 0, revents: 0)
  return poll(&entry, 1, 0) == 1 && entry.revents & Int16(POLLERR) != 0
}
