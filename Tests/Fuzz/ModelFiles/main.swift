import CFuzzer
import Foundation
import StyleTransfer

/// Any bytes are a model, a style bank, or a typed error.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzModelFiles(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  let bytes = Data(bytes: start, count: count)
  do throws(ModelError) {
    let file = try SafetensorsFile(bytes: bytes, name: "fuzz")
    for tensor in file.tensors.values {
      precondition(tensor.byteRange.count == tensor.shape.reduce(tensor.elementType.byteCount, *))
    }
  } catch {
    precondition(!error.description.isEmpty)
  }
  do throws(ModelError) {
    let model = try StyleModel(bytes: bytes, name: "fuzz")
    precondition(model.parameterCount > 0)
  } catch {
    precondition(!error.description.isEmpty)
  }
  do throws(ModelError) {
    let bank = try StyleBank(bytes: bytes, name: "fuzz")
    _ = bank.entries.count
  } catch {
    precondition(!error.description.isEmpty)
  }
  return 0
}

exit(run_fuzzer(CommandLine.argc, CommandLine.unsafeArgv))
