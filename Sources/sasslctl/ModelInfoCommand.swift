import Basics
import Commands
import FoundationEssentials
import Glibc
import Streams
import StyleTransfer

/// What `sasslctl model info --json` prints.
private struct ModelDescription: Encodable {
  /// One layer of either network.
  struct Layer: Encodable {
    let name: String
    let operation: String
    let reads: [String]
    let kernel: String
    let outputChannels: Int
    let outputWidth: Int
    let outputHeight: Int
    let macs: Int
    /// Of its network's multiply-accumulates.
    let macsPercent: Double
    let weightBytes: Int
    let outputBytes: Int

    init(_ cost: LayerCost, networkMACs: Int) {
      name = cost.name
      operation = cost.operation
      reads = cost.reads
      kernel = cost.kernel.rawValue
      outputChannels = cost.output.channels
      outputWidth = cost.output.width
      outputHeight = cost.output.height
      macs = cost.macs
      macsPercent = networkMACs == 0 ? 0 : 100 * Double(cost.macs) / Double(networkMACs)
      weightBytes = cost.weightBytes
      outputBytes = cost.outputBytes
    }
  }

  let model: String
  /// Null where the transformer is of no form with a name.
  let transformerWidths: [Int]?
  /// Likewise.
  let residualBlocks: Int?
  /// Null where the transformer is not of the form of Ghiasi et al.
  let endKernels: [Int]?
  let predictorSidePixels: Int?
  let embeddingLength: Int
  let parameters: Int
  let pictureWidthPixels: Int
  let pictureHeightPixels: Int
  let transformerMacs: Int
  let predictorMacs: Int?
  let provenance: String
  let licence: String
  let predictorLayers: [Layer]
  let transformerLayers: [Layer]

  init(_ model: StyleModel, name: String, width: Int, height: Int) {
    let ghiasi = StyleChain(model.transformer)
    let chain: (any ResidualChain)? = ghiasi ?? PatchChain(model.transformer)
    let costs = model.layerCosts(width: width, height: height)
    let transformerMACs = model.macs(width: width, height: height)
    self.model = name
    transformerWidths = chain?.widths
    residualBlocks = chain?.residualBlocks
    endKernels = ghiasi?.endKernels
    predictorSidePixels = model.predictorSide
    embeddingLength = model.architecture.embedding
    parameters = model.parameterCount
    pictureWidthPixels = width
    pictureHeightPixels = height
    transformerMacs = transformerMACs
    predictorMacs = model.predictorMACs
    provenance = model.provenance
    licence = model.licence
    predictorLayers = costs.predictor.map { Layer($0, networkMACs: model.predictorMACs ?? 0) }
    transformerLayers = costs.transformer.map { Layer($0, networkMACs: transformerMACs) }
  }
}

/// `sasslctl model info`.
func modelInfo(_ arguments: [String]) throws -> ExitCode {
  let options = [
    CommandOption("size", value: "WxH", "the picture that the cost is given for (default 224x224)"),
    jsonOption,
  ]
  let command = "sasslctl model info"
  guard
    let parsed = try ParsedArguments(
      arguments, of: command,
      usage: "\(command) [FILE] [options]",
      about: "Describes a model file, or the embedded model, layer by layer.", options: options)
  else { return .success }
  guard parsed.operands.count <= 1 else { throw CommandFailure(.usage, "\(command) takes one file") }
  let location = ModelLocation(parsed.operands.first ?? "")
  let size = parsed["size"] ?? "224x224"
  let parts = size.split(separator: "x", omittingEmptySubsequences: false)
  let sides = parts.compactMap { Int($0) }
  guard parts.count == 2, sides.count == 2, sides.allSatisfy({ ModelArchitecture.takes(side: $0) }) else {
    throw CommandFailure(
      .usage,
      "--size is '\(size)', but takes WxH, such as 224x224, with sides that are multiples of "
        + "\(ModelArchitecture.sideMultiple) from \(ModelArchitecture.minimumSide) to \(ModelArchitecture.maximumSide)")
  }
  let description = ModelDescription(try location.load(), name: location.name, width: sides[0], height: sides[1])
  print(try parsed.has("json") ? jsonText(description) : drawn(description))
  return .success
}

private func millions(_ count: Int) -> String { String(printf: "%.1f M", Double(count) / 1e6) }

/// The description for people: both networks as a table, what they cost as a bar for each layer.
private func drawn(_ model: ModelDescription) -> String {
  var lines = ["model        \(model.model)"]
  if let side = model.predictorSidePixels, let macs = model.predictorMacs {
    lines.append(
      "predictor    \(side)x\(side) pixels to \(model.embeddingLength) numbers, \(millions(macs)) multiply-accumulates")
    lines += table(model.predictorLayers)
  } else {
    lines.append(
      "predictor    none: it can only use embeddings from elsewhere, of \(model.embeddingLength) numbers")
  }
  lines.append(
    "transformer  \(model.pictureWidthPixels)x\(model.pictureHeightPixels) pixels, "
      + "\(millions(model.transformerMacs)) multiply-accumulates")
  lines += table(model.transformerLayers)
  lines += [
    "parameters   \(millions(model.parameters))",
    "provenance   \(model.provenance)",
    "licence      \(model.licence)",
  ]
  return lines.joined(separator: "\n")
}

/// One line for each layer. What a layer reads is named where it is not the line above.
private func table(_ layers: [ModelDescription.Layer]) -> [String] {
  let width = 20.0
  let most = layers.reduce(0) { max($0, $1.macsPercent) }
  func short(_ name: String) -> String { String(name[name.index(after: name.firstIndex(of: ".")!)...]) }
  var previous: [String] = []
  var rows = [["layer", "what", "output", "M MAC", "share", "weights", "output", "run as", ""]]
  for layer in layers {
    let reads = layer.reads == previous ? "" : " of " + layer.reads.map(short).joined(separator: ", ")
    previous = [layer.name]
    let bar = most == 0 ? 0 : Int((width * layer.macsPercent / most).rounded())
    rows.append([
      short(layer.name), layer.operation + (layer.reads.isEmpty && reads != "" ? " of the picture" : reads),
      "\(layer.outputChannels)x\(layer.outputWidth)x\(layer.outputHeight)",
      layer.macs == 0 ? "" : String(printf: "%.1f", Double(layer.macs) / 1e6),
      layer.macs == 0 ? "" : String(printf: "%.1f %%", layer.macsPercent),
      layer.weightBytes == 0 ? "" : String(printf: "%.0f kB", Double(layer.weightBytes) / 1e3),
      String(printf: "%.0f kB", Double(layer.outputBytes) / 1e3), layer.kernel == "none" ? "" : layer.kernel,
      String(repeating: "#", count: bar),
    ])
  }
  let widths = rows[0].indices.map { column in rows.reduce(0) { max($0, $1[column].count) } }
  return rows.map { row in
    var line = " "
    for (column, text) in row.enumerated() {
      let gap = String(repeating: " ", count: widths[column] - text.count)
      line += " " + ((3...6).contains(column) ? gap + text : text + gap)
    }
    while line.hasSuffix(" ") { line.removeLast() }
    return line
  }
}
