import CFuzzer
import Control
import Foundation

/// Any line is a request that the daemon knows, or none; any answer is a report, or an error.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzControl(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  let line = Data(bytes: start, count: count)
  if let request = ControlRequest(line: line) {
    precondition(ControlRequest(line: request.line) == request)
  }
  if let report = try? StatusReport(json: line) {
    precondition((try? StatusReport(json: report.json(pretty: false))) == report)
    precondition(!report.table().isEmpty)
  }
  return 0
}

exit(run_fuzzer(CommandLine.argc, CommandLine.unsafeArgv))
