import Basics
import Commands
import FoundationEssentials
import Glibc
import Streams
import StyleTransfer

/// `sasslctl model info` and `sasslctl model import`.
func modelCommand(_ arguments: [String]) throws -> ExitCode {
  switch arguments.first {
  case "info": return try modelInfo(Array(arguments.dropFirst()))
  case "import": return try modelImport(Array(arguments.dropFirst()))
  case "--help", "-h":
    print(
      """
      usage: sasslctl model info [FILE] [options]
             sasslctl model import --predictor FILE --transformer FILE --out FILE [options]

      info    what a model file holds: its layers and what each costs, parameters, provenance, licence
      import  makes a model file from published weights
      """)
    return .success
  default:
    throw CommandFailure(.usage, "sasslctl model takes 'info' or 'import'; see 'sasslctl model --help'")
  }
}

private func modelImport(_ arguments: [String]) throws -> ExitCode {
  let options = [
    CommandOption("predictor", value: "FILE", "a style predictor; leave it out for a transformer-only model"),
    CommandOption("transformer", value: "FILE", "a style transformer"),
    CommandOption("out", letter: "o", value: "FILE", "the model file to write"),
    CommandOption("styles", value: "FILE", "StyleAug's checkpoint_embeddings.pth, to make a style bank of"),
    CommandOption("bank", value: "FILE", "the style bank to write from --styles"),
  ]
  let command = "sasslctl model import"
  guard
    let parsed = try ParsedArguments(
      arguments, of: command,
      usage: "\(command) --predictor FILE --transformer FILE --out FILE [options]",
      about:
        "Makes a model file of published weights. What a file is, its content says: TensorFlow Lite and TensorFlow's\n"
        + "checkpoints, SavedModels and variables in safetensors (Magenta's pairs), ONNX, PyTorch (StyleAug's pair).\n"
        + "Integer weights become float32. The work is done by import_model.py in the Python that SASSL_PYTHON names;\n"
        + "where a package is missing that a kind of file needs, it says which.",
      options: options)
  else { return .success }
  try parsed.requireNoOperands(of: command)
  let transformer = try parsed.required("transformer", for: command)
  let out = try parsed.required("out", for: command)
  let interpreter = ProcessInfo.processInfo.environment["SASSL_PYTHON"] ?? "python3"
  let words =
    [interpreter, try importTool(), "--transformer", transformer, "--out", out]
    + ["predictor", "styles", "bank"].flatMap { name in parsed[name].map { ["--\(name)", $0] } ?? [] }
  // The tool's exit codes are this program's.
  let code = try ChildProcess.exitCode(of: words)
  guard code == ExitCode.success.rawValue else {
    throw CommandFailure(ExitCode(rawValue: code) ?? .software, "the import did not succeed; its own message is above")
  }
  return .success
}

/// The Python tool behind the import: installed beside the program, or in the source tree that it was built in.
private func importTool() throws -> String {
  let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
  var folders = [program.appendingPathComponent("../../share/sassl/tools")]
  // From .build/<platform>/release up to the package.
  var folder = program
  for _ in 0..<4 {
    folder.deleteLastPathComponent()
    folders.append(folder.appendingPathComponent("packaging/ModelImport"))
  }
  for folder in folders {
    let tool = folder.appendingPathComponent("import_model.py").path
    if FileManager.default.isReadableFile(atPath: tool) { return tool }
  }
  throw CommandFailure(.noInput, "import_model.py is neither installed beside this program nor in its source tree")
}
