import Basics
import FoundationEssentials
import Glibc
import StyleTransfer

/// The version of `sassld` and `sasslctl`.
public let programVersion = "0.1.0"

/// Runs a command and turns what it throws into one sentence on standard error and an exit status.
public func runReporting(_ name: String, _ body: () throws -> ExitCode) -> Int32 {
  do {
    if let problem = KernelPath.problem(with: ProcessInfo.processInfo.environment[KernelPath.variable]) {
      throw CommandFailure(.configuration, problem)
    }
    return try body().rawValue
  } catch {
    let failure = CommandFailure(for: error)
    writeToStandardError("\(name): \(failure.message)\n")
    return failure.code.rawValue
  }
}
