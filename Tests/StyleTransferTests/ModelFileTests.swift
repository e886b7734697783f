import Foundation
import StyleTransfer
import Testing

/// Files that are well-formed safetensors and still no model.
@Suite("Model files")
struct ModelFileTests {
  static let tiny = Result { try SafetensorsFile(contentsOf: TestData.golden("tiny-model.safetensors")) }

  /// The tiny model with changes, written anew.
  static func model(
    architecture: (String) -> String = { $0 }, metadata: ([String: String]) -> [String: String] = { $0 },
    tensors: (String, [Int], [Float]) -> (String, [Int], [Float])? = { ($0, $1, $2) }, adding extra: [String] = []
  ) throws -> StyleModel {
    let file = try tiny.get()
    var contents = SafetensorsContents()
    contents.metadata = file.metadata
    contents.metadata["architecture"] = architecture(try #require(file.metadata["architecture"]))
    contents.metadata = metadata(contents.metadata)
    for name in file.tensors.keys.sorted() {
      guard let (name, shape, values) = tensors(name, try #require(file.tensors[name]).shape, try file.floats(name))
      else {
        continue
      }
      contents.add(name, shape: shape, values: values)
    }
    for name in extra { contents.add(name, shape: [1], values: [0]) }
    return try StyleModel(bytes: contents.encoded, name: "changed model")
  }

  @Test func `the unchanged copy loads`() throws {
    #expect(try Self.model().parameterCount > 1000)
  }

  @Test func `a model without predictor loads and refuses to embed`() throws {
    let model = try Self.model(
      architecture: {
        let start = $0.range(of: #""predictor""#)!.lowerBound
        let end = $0.range(of: #""transformer""#)!.lowerBound
        return $0.replacingCharacters(in: start..<end, with: "")
      },
      tensors: { $0.hasPrefix("predictor.") ? nil : ($0, $1, $2) })
    #expect(model.predictorSide == nil)
    #expect(model.predictorMACs == nil)
    let error = #expect(throws: ModelError.self) {
      try model.embed(pixels: [UInt8](repeating: 0, count: 24 * 24 * 3), workspace: StyleWorkspace())
    }
    #expect(error?.code == .noPredictor)
  }

  @Test("a missing metadata entry is named", arguments: ["architecture", "provenance", "licence"])
  func missingMetadata(key: String) {
    let error = #expect(throws: ModelError.self) {
      try Self.model(metadata: { $0.filter { $0.key != key } })
    }
    #expect(error?.code == .invalidMetadata)
    #expect(error?.problem.contains("'\(key)'") == true)
  }

  static let architectures: [(place: String, from: String, to: String)] = [
    ("architecture.format", #""format": 1"#, #""format": 3"#),
    ("architecture.format", #""format": 1"#, #""format": "1""#),
    ("architecture.format", #""format": 1, "#, ""),
    ("architecture.surprise", #""format": 1"#, #""format": 1, "surprise": 1"#),
    ("architecture.embedding", #""embedding": 6"#, #""embedding": 0"#),
    ("architecture.embedding", #""embedding": 6"#, #""embedding": 1e30"#),
    ("architecture.embedding", #""embedding": 6"#, #""embedding": 6.5"#),
    (
      "architecture.transformer",
      #"{"kind": "ghiasi", "contract": [4, 6, 5], "residual": 2, "expand": [7, 3], "end_kernels": [7, 5]}"#, "3"
    ),
    ("architecture.predictor.kind", "mobilenet_v2", "inception_v3"),
    ("architecture.predictor.side", #""side": 24"#, #""side": 28"#),
    ("architecture.predictor.side", #""side": 24"#, #""side": -24"#),
    ("architecture.predictor.side", #""side": 24"#, #""side": 1000000"#),
    ("architecture.predictor.stem", #""stem": 4"#, #""stem": 0"#),
    ("architecture.predictor.blocks", "[[1, 3, 1], [2, 5, 2], [2, 5, 1], [3, 7, 2]]", "[]"),
    (
      "architecture.predictor.blocks", "[[1, 3, 1], [2, 5, 2], [2, 5, 1], [3, 7, 2]]",
      "[" + Array(repeating: "[1, 1, 1]", count: 65).joined(separator: ",") + "]"
    ),
    ("architecture.predictor.blocks[0]", "[1, 3, 1]", "[1, 3]"),
    ("architecture.predictor.blocks[0]", "[1, 3, 1]", "7"),
    ("architecture.predictor.blocks[1][2]", "[2, 5, 2]", "[2, 5, 3]"),
    ("architecture.predictor.blocks[1][0]", "[2, 5, 2]", "[0, 5, 2]"),
    ("architecture.predictor.blocks[1][1]", "[2, 5, 2]", "[2, 9223372036854775807, 2]"),
    ("architecture.predictor.head", #""head": 11"#, #""head": true"#),
    ("architecture.transformer.kind", "ghiasi", "johnson"),
    ("architecture.transformer.contract", "[4, 6, 5]", "[4, 6]"),
    ("architecture.transformer.contract[2]", "[4, 6, 5]", "[4, 6, 5000]"),
    ("architecture.transformer.residual", #""residual": 2"#, #""residual": -1"#),
    ("architecture.transformer.expand", "[7, 3]", "[7, 3, 3]"),
    ("architecture.transformer.end_kernels", "[7, 5]", "[8, 5]"),
    ("architecture.transformer.end_kernels[0]", "[7, 5]", "[13, 5]"),
    ("architecture.transformer.width", #""residual": 2"#, #""residual": 2, "width": 8"#),
  ]

  @Test("an architecture that describes no network is refused at the right key", arguments: architectures)
  func invalidArchitecture(place: String, from: String, to: String) {
    let error = #expect(throws: ModelError.self) {
      try Self.model(architecture: {
        #expect($0.contains(from))
        return $0.replacingOccurrences(of: from, with: to)
      })
    }
    #expect(error?.code == .invalidArchitecture)
    #expect(error?.place == "changed model, \(place)")
  }

  @Test(
    "an architecture that is no JSON object is refused",
    arguments: ["", "{", "[]", "null", "ghiasi", String(repeating: "[", count: 100_000)]
      + [50, 400, 600].map { String(repeating: #"{"a":["#, count: $0) + String(repeating: "]}", count: $0) })
  func notAnObject(text: String) {
    let error = #expect(throws: ModelError.self) { try Self.model(architecture: { _ in text }) }
    #expect(error?.code == .invalidArchitecture)
  }

  @Test(
    "an architecture that contradicts the tensors is refused at a tensor",
    arguments: [
      (#""stem": 4"#, #""stem": 5"#, "predictor.stem.weight"),
      ("[2, 5, 1]", "[3, 5, 1]", "predictor.blocks.2.expand.weight"),
      ("[1, 3, 1]", "[2, 3, 1]", "predictor.blocks.0.expand.weight"),
      (#""residual": 2"#, #""residual": 3"#, "transformer.residual.2.0.scale.weight"),
      (#""residual": 2"#, #""residual": 1"#, "transformer.residual.1.0.scale.bias"),
      ("[7, 5]", "[5, 5]", "transformer.contract.0.weight"),
      (#""embedding": 6"#, #""embedding": 7"#, "predictor.embedding.weight"),
    ])
  func contradiction(from: String, to: String, tensor: String) {
    let error = #expect(throws: ModelError.self) {
      try Self.model(architecture: { $0.replacingOccurrences(of: from, with: to) })
    }
    #expect(error?.code == .invalidTensor)
    #expect(error?.place == "changed model, tensor '\(tensor)'")
  }

  @Test("a number that is not finite is refused", arguments: [Float.nan, .infinity, -.infinity])
  func notFinite(value: Float) {
    let error = #expect(throws: ModelError.self) {
      try Self.model(tensors: { name, shape, values in
        (name, shape, name == "transformer.expand.2.shift.bias" ? [0, value, 0] : values)
      })
    }
    #expect(error?.place == "changed model, tensor 'transformer.expand.2.shift.bias'")
  }

  @Test func `a missing, a surplus and a reshaped tensor are refused`() {
    let cases: [(String, () throws -> StyleModel)] = [
      ("predictor.head.bias", { try Self.model(tensors: { $0 == "predictor.head.bias" ? nil : ($0, $1, $2) }) }),
      ("predictor.tail.bias", { try Self.model(adding: ["predictor.tail.bias"]) }),
      (
        "predictor.embedding.weight",
        { try Self.model(tensors: { ($0, $0 == "predictor.embedding.weight" ? $1.reversed() : $1, $2) }) }
      ),
    ]
    for (tensor, load) in cases {
      let error = #expect(throws: ModelError.self) { try load() }
      #expect(error?.code == .invalidTensor)
      #expect(error?.place == "changed model, tensor '\(tensor)'")
    }
  }

  @Test func `a small file that asks for endless memory is refused`() throws {
    // 1024 channels of 512x512 numbers between two layers, from a file of half a megabyte.
    var contents = SafetensorsContents()
    contents.metadata = [
      "provenance": "", "licence": "",
      "architecture": #"""
      {"format": 1, "embedding": 1, "predictor": {"kind": "mobilenet_v2", "side": 1024, "stem": 64,
       "blocks": [[16, 1, 1]], "head": 1},
       "transformer": {"kind": "ghiasi", "contract": [1, 1, 1], "residual": 0, "expand": [1, 1], "end_kernels": [3, 3]}}
      """#,
    ]
    for (name, shape) in [
      ("stem.weight", [64, 3, 3, 3]), ("stem.bias", [64]), ("blocks.0.expand.weight", [1024, 64, 1, 1]),
      ("blocks.0.expand.bias", [1024]), ("blocks.0.depthwise.weight", [1024, 1, 3, 3]),
      ("blocks.0.depthwise.bias", [1024]), ("blocks.0.project.weight", [1, 1024, 1, 1]), ("blocks.0.project.bias", [1]),
      ("head.weight", [1, 1, 1, 1]), ("head.bias", [1]), ("embedding.weight", [1, 1]), ("embedding.bias", [1]),
    ] {
      contents.add("predictor.\(name)", shape: shape, values: [Float](repeating: 0, count: shape.reduce(1, *)))
    }
    let error = #expect(throws: ModelError.self) { try StyleModel(bytes: contents.encoded, name: "bomb") }
    #expect(error?.code == .invalidArchitecture)
    #expect(error?.place == "bomb, architecture.predictor")
  }

  @Test func `random models load at the published sizes and run`() throws {
    let lite = try StyleModel(randomWeightsFor: PublishedArchitecture.lite, seed: 1)
    #expect(lite.predictorSide == 256)
    let paper = try StyleModel(randomWeightsFor: PublishedArchitecture.fullWidthTransformer, seed: 1)
    #expect(paper.transformer.parameterCount > 10 * lite.transformer.parameterCount)
    let content = (0..<16 * 16 * 3).map { UInt8($0 * 7 % 256) }
    let style = StyleEmbedding((0..<100).map { Float($0 % 5) - 2 })
    let stylized = try lite.stylized(content, width: 16, height: 16, embedding: style)
    // A saturated picture would hide any mistake in front of the sigmoid.
    #expect(stylized.count { (0.05...0.95).contains($0) } > stylized.count / 2)
    let again = try StyleModel(randomWeightsFor: PublishedArchitecture.lite, seed: 1)
    #expect(try again.stylized(content, width: 16, height: 16, embedding: style) == stylized)
    let reference = try again.onReferenceEngine.stylized(content, width: 16, height: 16, embedding: style)
    #expect(largestDifference(reference, stylized) <= 1e-3)
    let other = try StyleModel(randomWeightsFor: PublishedArchitecture.lite, seed: 2)
    #expect(try other.stylized(content, width: 16, height: 16, embedding: style) != stylized)
    let pixels = (0..<256 * 256 * 3).map { UInt8($0 * 31 % 256) }
    let embedding = try lite.embed(pixels: pixels, workspace: StyleWorkspace())
    #expect(embedding.values.contains { abs($0) > 0.01 })
    #expect(embedding.values.allSatisfy { abs($0) < 100 })
  }
}
