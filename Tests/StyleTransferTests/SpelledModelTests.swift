import CStyleKernels
import Foundation
import StyleTransfer
import Testing

/// Models whose layers are spelled out, against the same layers in PyTorch (Tests/GoldenMakers/make_style_golden.py).
@Suite("Models with layers")
struct SpelledModelTests {
  static func model(_ name: String) throws -> StyleModel {
    try StyleModel(contentsOf: TestData.golden("\(name)-model.safetensors"))
  }

  static func cases(_ name: String) throws -> SafetensorsFile {
    try SafetensorsFile(contentsOf: TestData.golden("\(name)-cases.safetensors"))
  }

  /// Every way to run a model here: each path, with layers in patterns together and each on its own, and the reference.
  static func ways(_ model: StyleModel) -> [(name: String, model: StyleModel)] {
    [("reference", model.onReferenceEngine)]
      + kernelPaths.flatMap { kernels in
        [true, false].map { usesPatterns in
          (
            "\(String(cString: kernels.name)) \(usesPatterns ? "patterns" : "layers")",
            model.running(
              on: FastEngine(
                predictor: model.predictor, transformer: model.transformer,
                embeddingCount: model.architecture.embedding, kernels: kernels, usesPatterns: usesPatterns))
          )
        }
      }
  }

  @Test("every way to run it gives PyTorch's numbers", arguments: ["tiny", "branches", "skipping"])
  func golden(name: String) throws {
    let cases = try Self.cases(name)
    let embedding = StyleEmbedding(try cases.floats("embedding"))
    for (way, model) in Self.ways(try Self.model(name)) {
      if model.predictorSide != nil {
        let z = try model.embed(pixels: cases.bytes("style_pixels"), workspace: StyleWorkspace())
        #expect(largestDifference(z.values, embedding.values) <= 2e-5, "\(way)")
      }
      for (width, height) in [(20, 12), (8, 8), (12, 28)] {
        let stylized = try model.stylized(
          cases.bytes("content_\(width)x\(height)"), width: width, height: height, embedding: embedding)
        let difference = largestDifference(stylized, try cases.floats("stylized_\(width)x\(height)"))
        #expect(difference <= 2e-5, "\(way) \(width)x\(height)")
      }
    }
  }

  @Test func `the contraction may be normalised and still run in the pattern`() throws {
    #expect(StyleChain(try Self.model("branches").transformer)?.widths == [4, 6, 5, 7, 3])
    #expect(StyleChain(try Self.model("skipping").transformer) == nil)
  }

  @Test("what the scratch memory held before does not show", arguments: ["tiny", "branches", "skipping"])
  func scratchContents(name: String) throws {
    let cases = try Self.cases(name)
    let embedding = StyleEmbedding(try cases.floats("embedding"))
    for (way, model) in Self.ways(try Self.model(name)).dropFirst() {
      let results = try [Float(0), .nan, .infinity, -3e38].map { value in
        let workspace = StyleWorkspace()
        let count = 1 << 20
        workspace.layers.reserve(floats: count).update(repeating: value, count: count)
        workspace.picture.reserve(floats: count).update(repeating: value, count: count)
        let picture = try model.stylized(
          cases.bytes("content_12x28"), width: 12, height: 28, embedding: embedding, workspace: workspace)
        let z =
          model.predictorSide == nil
          ? [] : try model.embed(pixels: cases.bytes("style_pixels"), workspace: workspace).values
        return (picture + z).map(\.bitPattern)
      }
      for result in results { #expect(result == results[0], "\(way)") }
    }
  }

  @Test("layers spelled out are the form that they spell", arguments: ["tiny"])
  func sameBits(name: String) throws {
    let named = try Self.model(name)
    let file = try SafetensorsFile(contentsOf: TestData.golden("\(name)-model.safetensors"))
    var contents = SafetensorsContents()
    contents.metadata = file.metadata
    contents.metadata["architecture"] = Self.spelledTiny
    for tensor in file.tensors.keys.sorted() {
      contents.add(tensor, shape: file.tensors[tensor]!.shape, values: try file.floats(tensor))
    }
    let spelled = try StyleModel(bytes: contents.encoded, name: "spelled")
    #expect(spelled.architecture == named.architecture)
    let cases = try Self.cases(name)
    let pictures = try [named, spelled].map {
      try $0.stylized(
        cases.bytes("content_12x28"), width: 12, height: 28, embedding: StyleEmbedding(cases.floats("embedding")))
    }
    #expect(pictures[0] == pictures[1])
  }

  /// The tiny model's architecture with nothing implied.
  static let spelledTiny: String = {
    func convolution(
      _ name: String, _ channels: Int, _ kernel: Int, stride: Int = 1, padding: [Int] = [0, 0, 0, 0],
      more: String = ""
    ) -> String {
      #"{"layer": "convolution", "name": "\#(name)", "channels": \#(channels), "kernel": [\#(kernel), \#(kernel)], "#
        + #""stride": \#(stride), "padding": \#(padding)\#(more)}"#
    }
    let relu6 = #", "activation": "relu6""#
    let depthwise = relu6 + #", "depthwise": true"#
    func mirrored(_ more: String) -> String { #", "border": "mirrored""# + more }
    let relu = #", "activation": "relu""#
    let style = #", "normalization": "style""#
    func sum(_ name: String, _ inputs: String...) -> String {
      #"{"layer": "addition", "name": "\#(name)", "from": ["# + inputs.map { "\"\($0)\"" }.joined(separator: ", ")
        + "]}"
    }
    let after = [0, 1, 0, 1]
    let all = [1, 1, 1, 1]
    var predictor = [convolution("stem", 4, 3, stride: 2, padding: after, more: relu6)]
    for (index, block) in [(4, 3, 1), (6, 5, 2), (10, 5, 1), (15, 7, 2)].enumerated() {
      let name = "blocks.\(index)"
      if index > 0 { predictor.append(convolution("\(name).expand", block.0, 1, more: relu6)) }
      predictor.append(
        convolution(
          "\(name).depthwise", block.0, 3, stride: block.2, padding: block.2 == 1 ? all : after, more: depthwise))
      predictor.append(convolution("\(name).project", block.1, 1))
      if index == 2 { predictor.append(sum("\(name).sum", "blocks.1.project", "\(name).project")) }
    }
    predictor.append(convolution("head", 11, 1, more: relu6))
    var transformer = [
      convolution("contract.0", 4, 7, padding: [3, 3, 3, 3], more: mirrored(relu)),
      convolution("contract.1", 6, 3, stride: 2, padding: all, more: mirrored(relu)),
      convolution("contract.2", 5, 3, stride: 2, padding: all, more: mirrored(relu)),
    ]
    for index in 0..<2 {
      let name = "residual.\(index)"
      transformer += [
        convolution("\(name).0", 5, 3, padding: all, more: mirrored(style + relu)),
        convolution("\(name).1", 5, 3, padding: all, more: mirrored(style)),
        sum("\(name).sum", index == 0 ? "contract.2" : "residual.0.sum", "\(name).1"),
      ]
    }
    let enlarged = #", "upsampling": 2"#
    transformer += [
      convolution("expand.0", 7, 3, padding: all, more: mirrored(style + relu + enlarged)),
      convolution("expand.1", 3, 3, padding: all, more: mirrored(style + relu + enlarged)),
      convolution(
        "expand.2", 3, 5, padding: [2, 2, 2, 2], more: mirrored(style + #", "activation": "sigmoid""#)),
    ]
    return """
      {"format": 2, "embedding": 6, "predictor": {"side": 24, "layers": [\(predictor.joined(separator: ", "))]},
       "transformer": {"layers": [\(transformer.joined(separator: ", "))]}}
      """
  }()

  @Test(
    "a layer that cannot be is refused where it stands",
    arguments: [
      ("predictor.layers[2].layer", #""max_pooling""#, #""min_pooling""#),
      (
        "predictor.layers[0].kernel[1]", #""kernel": [3, 3], "stride": 2, "activation""#,
        #""kernel": [3, 12], "activation""#
      ),
      ("predictor.layers[0].name", #""name": "first""#, #""name": "a b""#),
      ("predictor.layers[1].name", #""name": "second""#, #""name": "first""#),
      (
        "predictor.layers[4].from[0]", #""from": ["pool"]}, {"layer": "convolution", "name": "wide.1""#,
        #""from": ["sum"]}, {"layer": "convolution", "name": "wide.1""#
      ),
      ("predictor.layers[2].padding", #""name": "pool","#, #""name": "pool", "padding": [1, 1, 1, 1],"#),
      (
        "predictor.layers[1].padding", #""padding": [1, 1, 1, 1], "activation": "relu"}"#,
        #""padding": [3, 1, 1, 1], "activation": "relu"}"#
      ),
      ("predictor.layers[0].activation", #""relu6""#, #""relu7""#),
      ("predictor.layers[11].depthwise", #""depthwise": true"#, #""depthwise": 1"#),
      ("predictor.layers[12].from", #""from": ["together", "each"]"#, #""from": ["together"]"#),
      ("predictor.layers[12].from", #", "from": ["together", "each"]"#, ""),
      ("transformer.layers[0].normalization", #""instance""#, #""batch""#),
      ("predictor, layer 'each'", #""name": "each", "channels": 17"#, #""name": "each", "channels": 16"#),
      ("predictor, layer 'sum'", #""from": ["together", "each"]"#, #""from": ["one", "each"]"#),
      ("predictor, layer 'twice'", #""from": ["after", "after"]"#, #""from": ["after", "sum"]"#),
      ("predictor, layer 'first'", #""side": 23"#, #""side": 2"#),
      ("predictor, layer 'after'", #""from": ["after", "after"]"#, #""from": ["sum", "each"]"#),
      (
        "predictor, layer 'second'", #""padding": [1, 1, 1, 1], "activation": "relu"}"#,
        #""padding": [1, 1, 1, 1], "normalization": "style"}"#
      ),
      (
        "transformer", #""name": "e1", "channels": 3, "kernel": [3, 3], "upsampling": 2"#,
        #""name": "e1", "channels": 3, "kernel": [3, 3]"#
      ),
      (
        "transformer, layer 'r0'",
        #""name": "r0", "channels": 5, "kernel": [3, 3], "normalization": "style", "activation": "relu", "padding": [1, 1, "#,
        #""name": "r0", "channels": 5, "kernel": [3, 3], "normalization": "style", "activation": "relu", "padding": [2, 0, "#
      ),
      ("format", #""format": 2"#, #""format": 3"#),
      ("predictor.layers", #""format": 2"#, #""format": 1"#),
    ])
  func refused(place: String, from: String, to: String) throws {
    let file = try SafetensorsFile(contentsOf: TestData.golden("branches-model.safetensors"))
    let architecture = try #require(file.metadata["architecture"])
    #expect(architecture.contains(from))
    var contents = SafetensorsContents()
    contents.metadata = file.metadata
    let range = try #require(architecture.range(of: from))
    contents.metadata["architecture"] = architecture.replacingCharacters(in: range, with: to)
    for tensor in file.tensors.keys.sorted() {
      contents.add(tensor, shape: file.tensors[tensor]!.shape, values: try file.floats(tensor))
    }
    let error = #expect(throws: ModelError.self) { try StyleModel(bytes: contents.encoded, name: "changed") }
    #expect(error?.code == .invalidArchitecture, "\(String(describing: error))")
    #expect(error?.place == "changed, architecture.\(place)")
  }

  @Test func `a small file that asks for endless channels, or for sizes that cannot all be tried, is refused`() {
    func error(transformer layers: [String]) -> ModelError? {
      var contents = SafetensorsContents()
      contents.metadata = [
        "provenance": "", "licence": "",
        "architecture": """
        {"format": 2, "embedding": 1, "transformer": {"layers": [\(layers.joined(separator: ", "))]}}
        """,
      ]
      return #expect(throws: ModelError.self) { try StyleModel(bytes: contents.encoded, name: "bomb") }
    }
    let names = ["picture"] + (0..<100).map { "l\($0)" }
    let together = error(
      transformer: (0..<100).map { index in
        let from = [String](repeating: "\"\(names[index])\"", count: 16).joined(separator: ", ")
        return #"{"layer": "concatenation", "name": "l\#(index)", "from": [\#(from)]}"#
      })
    #expect(together?.code == .invalidArchitecture)
    #expect(together?.place == "bomb, architecture.transformer, layer 'l2'")
    let halved = error(
      transformer: (0..<6).map { #"{"layer": "max_pooling", "name": "l\#($0)", "kernel": [1, 1], "stride": 2}"# })
    #expect(halved?.code == .invalidArchitecture)
    #expect(halved?.place == "bomb, architecture.transformer")
  }

  @Test func `a transformer that enlarges the largest picture beyond what can be counted is refused`() throws {
    func architecture(enlargements: Int) -> String {
      let layers =
        (0..<enlargements).map {
          #"{"layer": "convolution", "name": "e\#($0)", "channels": 1, "kernel": [1, 1], "upsampling": 2}"#
        }
        + (0..<enlargements).map { #"{"layer": "max_pooling", "name": "p\#($0)", "kernel": [1, 1], "stride": 2}"# }
        + [#"{"layer": "convolution", "name": "out", "channels": 3, "kernel": [1, 1]}"#]
      return #"{"format": 2, "embedding": 1, "transformer": {"layers": [\#(layers.joined(separator: ", "))]}}"#
    }
    let largest = try StyleModel(randomWeightsFor: architecture(enlargements: 4), seed: 1)
    #expect(largest.layerCosts(width: 65_536, height: 65_536).transformer[3].output.width == 1 << 20)
    let error = #expect(throws: ModelError.self) {
      try StyleModel(randomWeightsFor: architecture(enlargements: 5), seed: 1)
    }
    #expect(error?.code == .invalidArchitecture)
    #expect(error?.place == "random model, architecture.transformer, layer 'e4'")
  }

  @Test func `costs are those of the layers`() throws {
    let model = try Self.model("branches")
    let costs = model.layerCosts(width: 16, height: 8)
    #expect(costs.predictor.reduce(0) { $0 + $1.macs } == model.predictorMACs)
    #expect(costs.transformer.reduce(0) { $0 + $1.macs } == model.macs(width: 16, height: 8))
    #expect((costs.predictor + costs.transformer).reduce(0) { $0 + $1.weightBytes } == 4 * model.parameterCount)
    // 23 pixels become 11, 11, 5, and then 2 by 3.
    let after = try #require(costs.predictor.first { $0.name == "predictor.after" })
    #expect(after.output == PictureShape(channels: 9, width: 3, height: 2))
    #expect(after.macs == 17 * 9 * 6 * 6)
    #expect(costs.predictor.first { $0.name == "predictor.sum" }?.reads == ["predictor.together", "predictor.each"])
    #expect(
      costs.transformer.map(\.kernel) == [
        .winograd5, .product, .product, .winograd3, .winograd3, .none, .winograd2, .winograd2, .winograd5,
      ])
    #expect(costs.transformer[6].doneMACs == 25.0 / 16 / 9 * Double(costs.transformer[6].macs))
  }
}
