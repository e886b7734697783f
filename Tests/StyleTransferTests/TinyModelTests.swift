import Foundation
import StyleTransfer
import Testing

/// A small random model against the same networks written in PyTorch (Tests/GoldenMakers/make_style_golden.py). No size in it is a
/// published one, so nothing about the published networks can be built in.
@Suite("Tiny model")
struct TinyModelTests {
  /// The reference is computed in float64; float32 sums over a few hundred products stay well below this.
  static let tolerance: Float = 2e-5

  let model: StyleModel
  let cases: SafetensorsFile

  init() throws {
    model = try StyleModel(contentsOf: TestData.golden("tiny-model.safetensors"))
    cases = try SafetensorsFile(contentsOf: TestData.golden("tiny-cases.safetensors"))
  }

  @Test func `the predictor gives the reference's embedding`() throws {
    let embedding = try model.embed(pixels: cases.bytes("style_pixels"), workspace: StyleWorkspace())
    #expect(largestDifference(embedding.values, try cases.floats("embedding")) <= Self.tolerance)
  }

  @Test("the transformer gives the reference's picture", arguments: [(20, 12), (8, 8), (12, 28)])
  func stylize(width: Int, height: Int) throws {
    let stylized = try model.stylized(
      cases.bytes("content_\(width)x\(height)"), width: width, height: height,
      embedding: StyleEmbedding(cases.floats("embedding")))
    #expect(largestDifference(stylized, try cases.floats("stylized_\(width)x\(height)")) <= Self.tolerance)
  }

  @Test func `one workspace serves pictures of any size in any order, with the same bits`() throws {
    let embedding = StyleEmbedding(try cases.floats("embedding"))
    let shared = StyleWorkspace()
    for (width, height) in [(12, 28), (8, 8), (20, 12), (12, 28)] {
      let content = try cases.bytes("content_\(width)x\(height)")
      let reused = try model.stylized(content, width: width, height: height, embedding: embedding, workspace: shared)
      let fresh = try model.stylized(content, width: width, height: height, embedding: embedding)
      #expect(reused.map(\.bitPattern) == fresh.map(\.bitPattern))
      let styles = try [shared, StyleWorkspace()].map {
        try model.embed(pixels: cases.bytes("style_pixels"), workspace: $0)
      }
      #expect(styles[0] == styles[1])
    }
  }

  @Test func `a workspace stops growing after the first picture`() throws {
    let embedding = StyleEmbedding(try cases.floats("embedding"))
    var picture = try cases.bytes("content_20x12")
    let workspace = StyleWorkspace()
    #expect(workspace.byteCount == 0)
    try model.stylize(inPlace: &picture, width: 20, height: 12, embedding: embedding, beta: 0.5, workspace: workspace)
    _ = try model.embed(pixels: cases.bytes("style_pixels"), workspace: workspace)
    let afterFirst = workspace.byteCount
    #expect(afterFirst > 0)
    for _ in 0..<3 {
      try model.stylize(inPlace: &picture, width: 20, height: 12, embedding: embedding, beta: 0.5, workspace: workspace)
      _ = try model.embed(pixels: cases.bytes("style_pixels"), workspace: workspace)
    }
    #expect(workspace.byteCount == afterFirst)
  }

  @Test func `many threads share one model, each with its own workspace`() async throws {
    let content = try cases.bytes("content_20x12")
    let embedding = StyleEmbedding(try cases.floats("embedding"))
    let expected = try model.stylized(content, width: 20, height: 12, embedding: embedding)
    let model = self.model
    try await withThrowingTaskGroup(of: [Float].self) { group in
      for _ in 0..<8 {
        group.addTask { try model.stylized(content, width: 20, height: 12, embedding: embedding) }
      }
      for try await picture in group { #expect(picture == expected) }
    }
  }

  // Algorithm 1

  @Test func `beta 0 gives the content back bit for bit, also for an embedding that is no number`() throws {
    let content = try cases.bytes("content_20x12")
    for style in [try cases.floats("embedding"), [Float](repeating: .nan, count: 6)] {
      var picture = content
      try model.stylize(
        inPlace: &picture, width: 20, height: 12, embedding: StyleEmbedding(style), beta: 0, workspace: StyleWorkspace()
      )
      #expect(picture == content)
      let output = try model.stylized(content, width: 20, height: 12, embedding: StyleEmbedding(style), beta: 0)
      #expect(output.map(\.bitPattern) == content.map { (Float($0) / 255).bitPattern })
    }
  }

  @Test("the output is (1 - beta) content + beta stylized", arguments: [0.1, 0.3, 0.75, 1] as [Float])
  func blend(beta: Float) throws {
    let content = try cases.bytes("content_20x12")
    let stylized = try cases.floats("stylized_20x12")
    let embedding = StyleEmbedding(try cases.floats("embedding"))
    let expected = zip(content, stylized).map { (1 - beta) * Float($0) / 255 + beta * $1 }
    let output = try model.stylized(content, width: 20, height: 12, embedding: embedding, beta: beta)
    #expect(largestDifference(output, expected) <= Self.tolerance)

    var picture = content
    try model.stylize(
      inPlace: &picture, width: 20, height: 12, embedding: embedding, beta: beta, workspace: StyleWorkspace())
    #expect(largestDifference(picture.map { Float($0) }, expected.map { $0 * 255 }) <= 0.5 + 255 * Self.tolerance)
  }

  @Test func `alpha moves an embedding along a straight line`() {
    let content = StyleEmbedding([1, -2, 0.5])
    let style = StyleEmbedding([3, 2, 0.5])
    #expect(content.blended(toward: style, alpha: 0) == content)
    #expect(content.blended(toward: style, alpha: 1) == style)
    #expect(content.blended(toward: style, alpha: 0.25).values == [1.5, -1, 0.5])
  }

  @Test func `an embedding that is no number gives bytes, not a crash`() throws {
    var picture = try cases.bytes("content_8x8")
    for value in [Float.nan, .infinity, -.infinity, .greatestFiniteMagnitude] {
      try model.stylize(
        inPlace: &picture, width: 8, height: 8, embedding: StyleEmbedding([Float](repeating: value, count: 6)),
        beta: 0.5,
        workspace: StyleWorkspace())
    }
    #expect(picture.count == 8 * 8 * 3)
  }

  // Refusals

  @Test(
    "sides that do not suit the transformer are refused and leave the picture alone",
    arguments: [(0, 0), (4, 8), (8, 4), (10, 8), (8, 9), (-4, 8), (8, -8), (65_540, 8), (8, 1 << 40)])
  func pictureSize(width: Int, height: Int) throws {
    let embedding = StyleEmbedding(try cases.floats("embedding"))
    var picture = try cases.bytes("content_12x28")
    for beta in [0, 0.5] as [Float] {
      let error = #expect(throws: ModelError.self) {
        try model.stylize(
          inPlace: &picture, width: width, height: height, embedding: embedding, beta: beta, workspace: StyleWorkspace()
        )
      }
      #expect(error?.code == .invalidPictureSize)
      #expect(error?.description.contains("\(width)x\(height)") == true)
    }
    #expect(picture == (try cases.bytes("content_12x28")))
  }

  @Test func `an embedding of another model's length is refused`() throws {
    let error = #expect(throws: ModelError.self) {
      try model.stylized(
        cases.bytes("content_8x8"), width: 8, height: 8, embedding: StyleEmbedding([Float](repeating: 0, count: 100)))
    }
    #expect(error?.code == .invalidEmbedding)
  }

  // What the file says

  @Test func `architecture, provenance and licence are read from the file`() {
    #expect(model.provenance == "random numbers from Tests/GoldenMakers/make_style_golden.py")
    #expect(model.licence == "Apache-2.0")
    #expect(model.predictorSide == 24)
    #expect(model.architecture.embedding == 6)
    let strides = model.predictor?.graph.convolutions.filter(\.isDepthwise).map(\.stride)
    #expect(strides == [1, 2, 1, 2])
    #expect(StyleChain(model.transformer)?.endKernels == [7, 5])
    let sums = model.predictor?.graph.layers.filter { if case .addition = $0.operation { true } else { false } }
    #expect(sums?.map(\.name) == ["blocks.2.sum"])
  }

  @Test func `parameters are all numbers in the file`() throws {
    let file = try SafetensorsFile(contentsOf: TestData.golden("tiny-model.safetensors"))
    #expect(model.parameterCount == file.tensors.values.reduce(0) { $0 + $1.count })
  }

  @Test func `multiply-accumulates are counted by hand`() {
    // 16x8 at full, 8x4 at half, 4x2 at a quarter of the resolution.
    let contract = 3 * 4 * 49 * 128 + 4 * 6 * 9 * 32 + 6 * 5 * 9 * 8
    let residual = 4 * (5 * 5 * 9 * 8)
    let expand = 5 * 7 * 9 * 32 + 7 * 3 * 9 * 128 + 3 * 3 * 25 * 128
    let styles = 2 * 6 * (4 * 5 + 7 + 3 + 3)
    #expect(model.macs(width: 16, height: 8) == contract + residual + expand + styles)

    // The stem's output is 12x12, then 12x12, 6x6, 6x6, 3x3.
    let stem = 3 * 4 * 9 * 144
    let blocks =
      (4 * 9 * 144 + 4 * 3 * 144) + (3 * 6 * 144 + 6 * 9 * 36 + 6 * 5 * 36)
      + (5 * 10 * 36 + 10 * 9 * 36 + 10 * 5 * 36) + (5 * 15 * 36 + 15 * 9 * 9 + 15 * 7 * 9)
    #expect(model.predictorMACs == stem + blocks + 7 * 11 * 9 + 11 * 6)
  }
}
