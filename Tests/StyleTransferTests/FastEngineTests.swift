import CStyleKernels
import StyleTransfer
import Testing

/// The fast engine against the reference engine, on every path that this CPU can run.
@Suite struct FastEngineTests {
  private static let paths = [STYLE_PATH_PORTABLE, STYLE_PATH_AVX2, STYLE_PATH_AVX512].compactMap {
    style_kernels_for($0)?.pointee
  }

  /// A picture with edges, gradients and noise.
  private static func picture(_ width: Int, _ height: Int) -> [UInt8] {
    var state: UInt32 = 1
    return (0..<width * height * 3).map { index in
      state = state &* 1_664_525 &+ 1_013_904_223
      let x = index / 3 % width
      let y = index / 3 / width
      return UInt8((x * 3 + (y / 5 % 2) * 60 + Int(state >> 27)) % 256)
    }
  }

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
      Self.picture(width, height), width: width, height: height, embedding: [0.3, -1, 0.7, 0.1, 0.9, -0.4],
      into: &output, workspace: workspace)
    return output
  }

  @Test("pictures of every small size agree with the reference")
  func transformer() {
    let workspace = StyleWorkspace()
    for kernels in Self.paths {
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

  @Test("what the scratch memory held before does not show")
  func scratchContents() {
    for kernels in Self.paths {
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
}
