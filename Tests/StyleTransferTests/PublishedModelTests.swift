import Foundation
import StyleTransfer
import Testing

/// The published networks against tensors from an independent float32 implementation.
@Suite("Published models", .enabled(if: Importer.canImportPublishedModels, Comment(rawValue: Importer.skipMessage)))
struct PublishedModelTests {
  static let tolerance: Float = 1e-3

  /// The reference's stylized picture as `[height][width][3]`.
  ///
  /// The tensor `stylized_f32_hwc` was stored plane by plane, `[3][height][width]`, although its shape says otherwise: read by
  /// its shape, it contradicts `output_f32_hwc` of the same file, which is `(1 - beta) content + beta stylized`.
  private func referencePicture(_ golden: SafetensorsFile) throws -> [Float] {
    let planes = try golden.floats("stylized_f32_hwc")
    let pixels = planes.count / 3
    return planes.indices.map { planes[$0 % 3 * pixels + $0 / 3] }
  }

  @Test("embedding, stylized picture and blended output agree with the reference", arguments: TestData.liteCases)
  func goldenCase(url: URL) throws {
    let model = try Importer.published.get().lite
    let golden = try SafetensorsFile(contentsOf: url)
    let workspace = StyleWorkspace()

    let contentEmbedding = try model.embed(pixels: golden.bytes("content256_u8_hwc"), workspace: workspace)
    let styleEmbedding = try model.embed(pixels: golden.bytes("style256_u8_hwc"), workspace: workspace)
    #expect(largestDifference(contentEmbedding.values, try golden.floats("z_content")) <= Self.tolerance)
    #expect(largestDifference(styleEmbedding.values, try golden.floats("z_style")) <= Self.tolerance)
    let blended = contentEmbedding.blended(toward: styleEmbedding, alpha: try golden.floats("alpha")[0])
    #expect(largestDifference(blended.values, try golden.floats("z_blended")) <= Self.tolerance)

    let content = try golden.bytes("content_u8_hwc")
    let shape = try #require(golden.tensors["content_u8_hwc"]).shape
    let beta = try golden.floats("beta")[0]
    let stylized = try model.stylized(
      content, width: shape[1], height: shape[0], embedding: blended, workspace: workspace)
    #expect(largestDifference(stylized, try referencePicture(golden)) <= Self.tolerance)
    let output = try model.stylized(
      content, width: shape[1], height: shape[0], embedding: blended, beta: beta, workspace: workspace)
    #expect(largestDifference(output, try golden.floats("output_f32_hwc")) <= Self.tolerance)

    var inPlace = content
    try model.stylize(
      inPlace: &inPlace, width: shape[1], height: shape[0], embedding: blended, beta: beta, workspace: workspace)
    let rounded = inPlace.map { Float($0) / 255 }
    #expect(largestDifference(rounded, try golden.floats("output_f32_hwc")) <= 0.5 / 255 + Self.tolerance)
  }

  @Test func `the full-width transformer agrees with the reference`() throws {
    let model = try Importer.published.get().fullWidth
    let golden = try SafetensorsFile(contentsOf: TestData.fullWidthCase)
    let shape = try #require(golden.tensors["content_u8_hwc"]).shape
    let stylized = try model.stylized(
      golden.bytes("content_u8_hwc"), width: shape[1], height: shape[0],
      embedding: StyleEmbedding(golden.floats("z")))
    #expect(largestDifference(stylized, try referencePicture(golden)) <= Self.tolerance)
  }

  @Test func `sizes and costs are the published ones`() throws {
    let (lite, fullWidth) = try Importer.published.get()
    #expect(lite.predictorSide == 256)
    #expect(StyleChain(lite.transformer)?.widths == [8, 16, 32, 16, 8])
    #expect(StyleChain(fullWidth.transformer)?.widths == [32, 64, 128, 64, 32])
    // MobileNetV2 has 2,223,872 parameters without its classifier and batch normalisation counted as scale and shift; folding
    // leaves one bias instead of two numbers for each of its 17,056 channels.
    #expect(lite.predictor?.parameterCount == 2_223_872 - 17_056 + 1280 * 100 + 100)
    // Design figures of the transformer at 256x256: 10.1 and 0.8 GMAC.
    #expect((fullWidth.macs(width: 256, height: 256) + 50_000_000) / 100_000_000 == 101)
    #expect((lite.macs(width: 256, height: 256) + 50_000_000) / 100_000_000 == 8)
    // The paper's MobileNetV2 costs 300 million at 224x224; 1/0.7656 of it at 256x256, give or take the last layer.
    let atSide224 = try #require(lite.predictorMACs) * 224 * 224 / (256 * 256)
    #expect((295_000_000...305_000_000).contains(atSide224))
  }

  @Test func `a model without a predictor refuses to embed`() throws {
    let model = try Importer.published.get().fullWidth
    #expect(model.predictorSide == nil)
    let error = #expect(throws: ModelError.self) {
      try model.embed(pixels: [UInt8](repeating: 0, count: 256 * 256 * 3), workspace: StyleWorkspace())
    }
    #expect(error?.code == .noPredictor)
  }
}

/// The tool behind `sasslctl model import`.
@Suite("Importer", .enabled(if: Importer.canImportPublishedModels, Comment(rawValue: Importer.skipMessage)))
struct ImporterTests {
  @Test func `two imports give equal bytes that name their sources`() throws {
    let folder = try TestData.temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let outputs = ["first", "second"].map { folder.appending(component: $0) }
    for output in outputs {
      let result = try Importer.run([
        "--transformer", TestData.liteTransformer.path, "--licence", "Apache-2.0", "--out", output.path,
      ])
      #expect(result.status == 0, "\(result.message)")
    }
    #expect(try Data(contentsOf: outputs[0]) == Data(contentsOf: outputs[1]))
    let model = try StyleModel(contentsOf: outputs[0])
    #expect(model.licence == "Apache-2.0")
    #expect(model.provenance.contains("transfer.tflite (SHA-256 "))
  }

  @Test func `files that are no models are refused with their own exit status`() throws {
    let folder = try TestData.temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let half = folder.appending(component: "half.tflite")
    try Data(contentsOf: TestData.liteTransformer).prefix(100_000).write(to: half)
    let text = folder.appending(component: "notes.txt")
    try Data("not a model".utf8).write(to: text)
    let output = folder.appending(component: "model").path

    for (arguments, status) in [
      (["--transformer", half.path, "--out", output], 65),
      (["--transformer", text.path, "--out", output], 65),
      (["--transformer", TestData.litePredictor.path, "--out", output], 65),
      (["--transformer", folder.appending(component: "absent.tflite").path, "--out", output], 66),
      (["--transformer", TestData.liteTransformer.path, "--out", folder.path + "/absent/model"], 73),
      (["--out", output], 64),
    ] as [([String], Int32)] {
      let result = try Importer.run(arguments)
      #expect(result.status == status, "\(arguments): \(result.message)")
      #expect(!result.message.contains("Traceback"))
      #expect(!FileManager.default.fileExists(atPath: output))
    }
  }
}
