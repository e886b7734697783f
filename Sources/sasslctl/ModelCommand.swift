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
             sasslctl model import --predictor FILE --transformer FILE --out FILE

      info    what a model file holds: architecture, parameters, multiply-accumulates, provenance, licence
      import  makes a model file from published weights
      """)
    return .success
  default:
    throw CommandFailure(.usage, "sasslctl model takes 'info' or 'import'; see 'sasslctl model --help'")
  }
}

/// What `sasslctl model info --json` prints.
private struct ModelDescription: Encodable {
  let model: String
  let transformerWidths: [Int]
  let residualBlocks: Int
  let endKernels: [Int]
  let predictorSidePixels: Int?
  let embeddingLength: Int
  let parameters: Int
  let pictureWidthPixels: Int
  let pictureHeightPixels: Int
  let transformerMacs: Int
  let predictorMacs: Int?
  let provenance: String
  let licence: String
}

private func modelInfo(_ arguments: [String]) throws -> ExitCode {
  let options = [
    CommandOption("size", value: "WxH", "the picture that the cost is given for (default 224x224)"),
    CommandOption("json", "machine-readable"),
  ]
  let command = "sasslctl model info"
  guard
    let parsed = try ParsedArguments(
      arguments, of: command,
      usage: "\(command) [FILE] [options]", about: "Describes a model file, or the embedded model.", options: options)
  else { return .success }
  guard parsed.operands.count <= 1 else { throw CommandFailure(.usage, "\(command) takes one file") }
  let location = ModelLocation(parsed.operands.first ?? "")
  let size = parsed["size"] ?? "224x224"
  let sides = size.split(separator: "x").compactMap { Int($0) }
  guard sides.count == 2,
    sides.allSatisfy({ $0 >= ModelArchitecture.minimumSide && $0 % ModelArchitecture.sideMultiple == 0 })
  else {
    throw CommandFailure(
      .usage, "--size is '\(size)', but takes WxH with sides that are multiples of \(ModelArchitecture.sideMultiple)")
  }
  let model = try location.load()
  let transformer = model.architecture.transformer
  let description = ModelDescription(
    model: location.name, transformerWidths: transformer.contract + transformer.expand,
    residualBlocks: transformer.residual,
    endKernels: transformer.endKernels, predictorSidePixels: model.predictorSide,
    embeddingLength: model.architecture.embedding, parameters: model.parameterCount, pictureWidthPixels: sides[0],
    pictureHeightPixels: sides[1], transformerMacs: model.macs(width: sides[0], height: sides[1]),
    predictorMacs: model.predictorMACs, provenance: model.provenance, licence: model.licence)
  if parsed.has("json") {
    print(try jsonText(description))
    return .success
  }
  func millions(_ count: Int) -> String { String(printf: "%.1f M", Double(count) / 1e6) }
  let ends = transformer.endKernels
  print(
    """
    model        \(description.model)
    transformer  contract \(transformer.contract), \(transformer.residual) residual blocks, expand \(transformer.expand), \
    ends \(ends[0])x\(ends[0]) and \(ends[1])x\(ends[1])
                 \(millions(description.transformerMacs)) multiply-accumulates at \(sides[0])x\(sides[1])
    predictor    \(model.predictorSide.map { "MobileNetV2 at \($0)x\($0)" } ?? "none: it can only use embeddings from elsewhere")
                 \(model.predictorMACs.map { "\(millions($0)) multiply-accumulates" } ?? "-"), \(description.embeddingLength) numbers
    parameters   \(millions(description.parameters))
    provenance   \(description.provenance)
    licence      \(description.licence)
    """)
  return .success
}

private func modelImport(_ arguments: [String]) throws -> ExitCode {
  let options = [
    CommandOption("predictor", value: "FILE", "a TF Lite style predictor; leave it out for a transformer-only model"),
    CommandOption("transformer", value: "FILE", "a TF Lite style transformer, or safetensors with TensorFlow's names"),
    CommandOption("out", letter: "o", value: "FILE", "the model file to write"),
  ]
  let command = "sasslctl model import"
  guard
    let parsed = try ParsedArguments(
      arguments, of: command,
      usage: "\(command) --predictor FILE --transformer FILE --out FILE",
      about:
        "Makes a model file of package weights; integer weights become float32. The work is done by import_model.py,\n"
        + "which needs Python with numpy, safetensors and tflite from PyPI; SASSL_PYTHON names the interpreter.",
      options: options)
  else { return .success }
  try parsed.requireNoOperands(of: command)
  let transformer = try parsed.required("transformer", for: command)
  let out = try parsed.required("out", for: command)
  let interpreter = ProcessInfo.processInfo.environment["SASSL_PYTHON"] ?? "python3"
  let words =
    [interpreter, try importTool()] + (parsed["predictor"].map { ["--predictor", $0] } ?? [])
    + ["--transformer", transformer, "--out", out]
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
