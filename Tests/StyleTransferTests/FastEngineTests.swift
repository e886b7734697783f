import CStyleKernels
import StyleTransfer
import Testing

/// The fast engine against the reference engine, on every path that this CPU can run.
@Suite struct FastEngineTests {
  private let model: StyleModel
  private let reference: ReferenceEngine

  init() throws {
    model = try StyleModel(contentsOf: TestData.golden("tiny-model.safetensors"))
    reference = ReferenceEngine(predictor: model.predictor, transformer: model.transformer)
  }

  private func engine(_ kernels: style_kernels) -> FastEngine {
    FastEngine(
      predictor: model.predictor, transformer: model.transformer, embeddingCount: model.architecture.embedding,
      kernels: kernels)
  }

  private func stylize(
    _ engine: some StyleEngine, _ width: Int, _ height: Int, workspace: StyleWorkspace = StyleWorkspace()
  ) -> [Float] {
    var output = [Float](repeating: .nan, count: width * height * 3)
    engine.stylize(
      noisyPicture(width, height), width: width, height: height, embedding: [0.3, -1, 0.7, 0.1, 0.9, -0.4],
      into: &output, workspace: workspace)
    return output
  }

  @Test("pictures of every small size agree with the reference")
  func transformer() {
    let workspace = StyleWorkspace()
    for kernels in kernelPaths {
      let fast = engine(kernels)
      for (width, height) in [
        (8, 8), (8, 12), (12, 8), (16, 16), (20, 36), (24, 8), (28, 28), (32, 40), (60, 64), (64, 60), (68, 52),
        (224, 16),
      ] {
        let difference = largestDifference(
          stylize(fast, width, height, workspace: workspace), stylize(reference, width, height))
        #expect(difference <= 1e-4, "\(String(cString: kernels.name)) \(width)x\(height)")
      }
    }
  }

  @Test("embeddings agree with the reference, for sides and strides of all kinds")
  func predictor() throws {
    let blocks = [
      "[[1, 8, 1]]", "[[3, 8, 2], [2, 8, 1]]", "[[1, 5, 2], [6, 7, 1], [6, 7, 1], [6, 9, 2], [4, 9, 1]]",
    ]
    for (side, chosen) in [(24, 0), (16, 1), (40, 1), (24, 2), (72, 2), (136, 2)] {
      let model = try StyleModel(
        randomWeightsFor: """
          {"format": 1, "embedding": 6,
           "predictor": {"kind": "mobilenet_v2", "side": \(side), "stem": 6, "blocks": \(blocks[chosen]), "head": 21},
           "transformer": {"kind": "ghiasi", "contract": [4, 4, 4], "residual": 0, "expand": [4, 4], "end_kernels": [3, 3]}}
          """, seed: 3)
      let pixels = noisyPicture(side, side)
      let expected = try model.onReferenceEngine.embed(pixels: pixels, workspace: StyleWorkspace()).values
      let scale = expected.reduce(1) { max($0, abs($1)) }
      for kernels in kernelPaths {
        let engine = FastEngine(
          predictor: model.predictor, transformer: model.transformer, embeddingCount: 6, kernels: kernels)
        let results = [Float(0), .nan].map { value in
          let workspace = StyleWorkspace()
          workspace.layers.reserve(floats: 1 << 20).update(repeating: value, count: 1 << 20)
          var embedding = [Float](repeating: .nan, count: 6)
          engine.embed(pixels, into: &embedding, workspace: workspace)
          return embedding
        }
        #expect(largestDifference(results[0], expected) <= 1e-5 * scale, "\(String(cString: kernels.name)) \(side)")
        #expect(results[0].map(\.bitPattern) == results[1].map(\.bitPattern))
      }
    }
  }

  @Test("the embedded model's embeddings have the same bits with every fused multiply-add")
  func fusedPaths() throws {
    let model = StyleModel.embedded
    let side = try #require(model.predictorSide)
    let results = kernelPaths.filter { $0.path != STYLE_PATH_PORTABLE }.map { kernels in
      let engine = FastEngine(
        predictor: model.predictor, transformer: model.transformer, embeddingCount: model.architecture.embedding,
        kernels: kernels)
      var embedding = [Float](repeating: .nan, count: model.architecture.embedding)
      engine.embed(noisyPicture(side, side), into: &embedding, workspace: StyleWorkspace())
      return embedding.map(\.bitPattern)
    }
    for result in results { #expect(result == results[0]) }
  }

  @Test("what the scratch memory held before does not show")
  func scratchContents() {
    for kernels in kernelPaths {
      let fast = engine(kernels)
      for (width, height) in [(12, 8), (36, 20), (60, 52)] {
        let results = [Float(0), .nan, .infinity, -3e38].map { value in
          let workspace = StyleWorkspace()
          let count = 1 << 20
          workspace.layers.reserve(floats: count).update(repeating: value, count: count)
          return stylize(fast, width, height, workspace: workspace).map(\.bitPattern)
        }
        for result in results { #expect(result == results[0], "\(String(cString: kernels.name)) \(width)x\(height)") }
      }
    }
  }

  @Test(
    "golden pictures on every path",
    .enabled(if: Importer.canImportPublishedModels, Comment(rawValue: Importer.skipMessage)))
  func golden() throws {
    let models = try Importer.published.get()
    for kernels in kernelPaths {
      func fast(_ model: StyleModel) -> StyleModel {
        model.running(
          on: FastEngine(
            predictor: model.predictor, transformer: model.transformer,
            embeddingCount: model.architecture.embedding, kernels: kernels))
      }
      let lite = fast(models.lite)
      for url in TestData.liteCases {
        let golden = try SafetensorsFile(contentsOf: url)
        let shape = try #require(golden.tensors["content_u8_hwc"]).shape
        let z = try lite.embed(pixels: golden.bytes("style256_u8_hwc"), workspace: StyleWorkspace())
        #expect(largestDifference(z.values, try golden.floats("z_style")) <= 1e-3)
        let output = try lite.stylized(
          golden.bytes("content_u8_hwc"), width: shape[1], height: shape[0],
          embedding: StyleEmbedding(golden.floats("z_blended")), beta: golden.floats("beta")[0])
        let difference = largestDifference(output, try golden.floats("output_f32_hwc"))
        #expect(difference <= 1e-3, "\(String(cString: kernels.name)) \(url.lastPathComponent)")
      }
      let golden = try SafetensorsFile(contentsOf: TestData.fullWidthCase)
      let shape = try #require(golden.tensors["content_u8_hwc"]).shape
      let content = try golden.bytes("content_u8_hwc")
      let z = StyleEmbedding(try golden.floats("z"))
      let full = try fast(models.fullWidth).stylized(content, width: shape[1], height: shape[0], embedding: z)
      let reference = try models.fullWidth.onReferenceEngine.stylized(
        content, width: shape[1], height: shape[0], embedding: z)
      #expect(largestDifference(full, reference) <= 1e-3, "\(String(cString: kernels.name)) full width")
    }
  }
}
