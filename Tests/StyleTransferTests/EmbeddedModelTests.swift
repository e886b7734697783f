import Foundation
import StyleTransfer
import Testing

/// The model that is compiled into the program against PyTorch in float64 (Tests/GoldenMakers/make_embedded_golden.py).
@Suite("Embedded model")
struct EmbeddedModelTests {
  /// Sums in float32 over up to 640 products, through some thirty layers.
  static let tolerance: Float = 2e-3
  /// Part of the picture's variance that rounding to whole numbers may change.
  static let roundingShare: Float = 1e-3
  static let side = 32

  let golden: SafetensorsFile

  init() throws { golden = try SafetensorsFile(contentsOf: TestData.golden("embedded-case.safetensors")) }

  @Test func `its predictor gives PyTorch's embedding`() throws {
    let model = StyleModel.embedded
    let side = try #require(model.predictorSide)
    let picture = try golden.bytes("picture")
    // The picture repeated until it fills the predictor's input.
    let input = (0..<side * side * 3).map { index in
      let (row, column, channel) = (index / (side * 3), index / 3 % side, index % 3)
      return picture[(row % Self.side * Self.side + column % Self.side) * 3 + channel]
    }
    let embedding = try model.embed(pixels: input, workspace: StyleWorkspace())
    #expect(largestDifference(embedding.values, try golden.floats("embedding")) <= Self.tolerance)
  }

  @Test func `its transformer gives PyTorch's picture`() throws {
    let model = StyleModel.embedded
    let picture = try golden.bytes("picture")
    let style = StyleEmbedding(try golden.floats("style"))
    let expected = try golden.floats("stylized")
    // In float32, every number; in whole numbers, what it comes to.
    let reference = try model.onReferenceEngine.stylized(
      picture, width: Self.side, height: Self.side, embedding: style)
    #expect(largestDifference(reference, expected) <= Self.tolerance)
    let stylized = try model.stylized(picture, width: Self.side, height: Self.side, embedding: style)
    let mean = expected.reduce(0, +) / Float(expected.count)
    let variance = expected.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    let error = zip(stylized, expected).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    #expect(error <= Self.roundingShare * variance, "\(error / variance)")
  }

  @Test func `it costs at most six tenths of the public lite pair`() throws {
    let model = StyleModel.embedded
    let liteMillionMACs = 391.3 + 628.6
    let own = Double(try #require(model.predictorMACs) + model.macs(width: 224, height: 224)) / 1e6
    #expect(own <= 0.6 * liteMillionMACs)
    #expect(StyleModel.embeddedFile.count <= 2_000_000)
    #expect(model.licence == "Apache-2.0")
  }

  @Test func `the default bank fits the model and has distinct styles`() throws {
    let bank = StyleBank.embedded
    #expect(bank.embeddingLength == StyleModel.embedded.architecture.embedding)
    #expect(bank.entries.count >= 200)
    #expect(Set(bank.entries.map(\.embedding)).count == bank.entries.count)
  }
}
