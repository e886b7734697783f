import CFuzzer
import Configuration
import Foundation

/// Any bytes are a valid configuration or a typed error; a valid one survives being written and read again.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzConfiguration(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  let text = Array(UnsafeBufferPointer(start: start, count: count))
  do throws(ConfigurationError) {
    let configuration = try ServiceConfiguration.parse(text, file: "fuzz.toml")
    _ = configuration.viewRecipes
    let again = try? ServiceConfiguration.parse(Array(configuration.toml.utf8), file: "fuzz.toml")
    precondition(again == configuration)
  } catch {
    precondition(!error.description.isEmpty)
  }
  return 0
}

exit(run_fuzzer(CommandLine.argc, CommandLine.unsafeArgv))
