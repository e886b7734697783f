import Basics
import Commands
import Diagnostics
import FoundationEssentials
import Glibc
import Log
import Terminal

/// `sasslctl doctor`: what would keep the service from working, and what to do about it.
func doctorCommand(_ arguments: [String]) throws -> ExitCode {
  let options =
    streamOptions + [
      jsonOption,
      CommandOption(
        "remove-dead-rings", "first remove the rings of other streams whose daemons are dead, which nobody reads"),
    ]
  let command = "sasslctl doctor"
  guard
    let parsed = try ParsedArguments(
      arguments, of: command,
      usage: "\(command) [options]",
      about:
        "Checks what the service needs: processor, shared memory, limits, directories, model, dataset, and whether logind\n"
        + "would delete the rings at logout. Changes nothing unless told to, and may run beside the service.\n"
        + "It sees what the user who runs it may see: for the installed service, 'sudo -u sassl sasslctl doctor'.",
      options: options,
      closing: "exit code: 0 nothing keeps the service from working, 1 something does, 78 the configuration is wrong")
  else { return .success }
  try parsed.requireNoOperands(of: command)
  let diagnosis = Diagnosis(try loadConfiguration(parsed))
  if parsed.has("remove-dead-rings") {
    for sentence in diagnosis.removeLeftRings() { LogStream.standardError.write("\(sentence)\n") }
  }
  let findings = showingProgress { diagnosis.findings(progress: $0) }
  if parsed.has("json") {
    print(try jsonText(findings))
  } else {
    for finding in findings {
      let verdict = Terminal.standardOutput.coloured(finding.verdict.rawValue.padded(to: 9), finding.verdict.colour)
      print(verdict + finding.subject.padded(to: 15) + finding.found)
      if let remedy = finding.remedy { print(String(repeating: " ", count: 24) + "-> " + remedy) }
    }
  }
  return findings.contains { $0.verdict == .problem } ? .problems : .success
}

extension Finding.Verdict {
  fileprivate var colour: Terminal.Colour {
    switch self {
    case .ok: .good
    case .warning: .caution
    case .problem: .problem
    }
  }
}
