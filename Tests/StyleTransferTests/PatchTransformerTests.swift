import CStyleKernels
import Foundation
import StyleTransfer
import Testing

/// The transformer in whole numbers, against the reference engine and against itself on every path that this CPU has.
@Suite struct PatchTransformerTests {
  private static let paths: [style_integer_kernels] = ["portable", "avx2", "avx512", "avx512vnni"].compactMap {
    (name: String) in style_integer_kernels_named(name)?.pointee
  }

  private static let sides = [(8, 8), (8, 12), (12, 20), (24, 8), (28, 28), (60, 64), (68, 52), (224, 224)]

  private static func architecture(_ transformer: String) -> String {
    #"{"format": 2, "embedding": 6, "transformer": \#(transformer)}"#
  }

  private static let forms = [
    #"{"kind": "patches", "contract": [48, 32], "residual": 2, "expand": [48]}"#,
    #"{"kind": "patches", "contract": [16], "residual": 0, "expand": []}"#,
    #"{"kind": "patches", "contract": [32, 16, 80], "residual": 1, "expand": [16, 32]}"#,
  ]

  private static let embedding: [Float] = [0.3, -1, 0.7, 0.1, 0.9, -0.4]

  private func stylized(
    _ model: StyleModel, _ pixels: [UInt8], _ width: Int, _ height: Int, on kernels: style_integer_kernels,
    workspace: StyleWorkspace = StyleWorkspace()
  ) -> [Float] {
    let engine = FastEngine(
      predictor: nil, transformer: model.transformer, embeddingCount: model.architecture.embedding,
      integerKernels: kernels)
    var output = [Float](repeating: .nan, count: width * height * 3)
    engine.stylize(
      pixels, width: width, height: height, embedding: Self.embedding, into: &output, workspace: workspace)
    return output
  }

  @Test("it makes the pictures of the reference engine", arguments: forms)
  func reference(form: String) throws {
    for seed in 1...3 {
      let model = try StyleModel(randomWeightsFor: Self.architecture(form), seed: UInt64(seed))
      #expect(PatchChain(model.transformer) != nil)
      for (width, height) in Self.sides {
        let pixels = noisyPicture(width, height)
        let result = stylized(model, pixels, width, height, on: Self.paths[0])
        let expected = try model.onReferenceEngine.stylized(
          pixels, width: width, height: height, embedding: StyleEmbedding(Self.embedding))
        let mean = expected.reduce(0, +) / Float(expected.count)
        let variance = expected.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        let error = zip(result, expected).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
        // Rounding of levels and weights, measured for trained weights: 5e-4. Random ones hand on more of it, and most where a
        // normalisation has few pixels to go by.
        let most: Float = width * height < 512 ? 5e-2 : 1e-2
        #expect(error <= most * variance, "\(width)x\(height), seed \(seed)")
      }
    }
  }

  @Test("every path makes the same bytes, whatever the memory held before", arguments: forms)
  func paths(form: String) throws {
    let model = try StyleModel(randomWeightsFor: Self.architecture(form), seed: 4)
    for (width, height) in Self.sides {
      let pixels = noisyPicture(width, height)
      let expected = stylized(model, pixels, width, height, on: Self.paths[0]).map(\.bitPattern)
      for kernels in Self.paths {
        let workspace = StyleWorkspace()
        workspace.layers.reserve(floats: 1 << 21).update(repeating: .nan, count: 1 << 21)
        let result = stylized(model, pixels, width, height, on: kernels, workspace: workspace)
        #expect(result.map(\.bitPattern) == expected, "\(String(cString: kernels.name)) \(width)x\(height)")
      }
    }
  }

  @Test("flat and extreme pictures stay numbers")
  func extremes() throws {
    let model = try StyleModel(randomWeightsFor: Self.architecture(Self.forms[0]), seed: 2)
    for pixels in [
      [UInt8](repeating: 0, count: 12 * 16 * 3), [UInt8](repeating: 255, count: 12 * 16 * 3),
      (0..<12 * 16 * 3).map { $0 / 3 % 2 == 0 ? 255 : 0 },
    ] {
      for kernels in Self.paths {
        let result = stylized(model, pixels, 16, 12, on: kernels)
        #expect(result.allSatisfy { (0...1).contains($0) })
      }
    }
  }

  @Test("layers that are spelled out run the same")
  func spelled() throws {
    func convolution(_ name: String, _ channels: Int, _ more: String) -> String {
      #"{"layer": "convolution", "name": "\#(name)", "channels": \#(channels), "kernel": [3, 3], "padding": [1, 1, 1, 1], "#
        + #""border": "mirrored", \#(more)}"#
    }
    let layers = [
      #"{"layer": "space_to_depth", "name": "patches", "block": 4}"#,
      convolution("contract.0", 16, #""activation": "relu""#),
      convolution("residual.0.0", 16, #""normalization": "style", "activation": "relu""#),
      convolution("residual.0.1", 16, #""normalization": "style""#),
      #"{"layer": "addition", "name": "residual.0.sum", "from": ["contract.0", "residual.0.1"]}"#,
      convolution("expand.0", 48, #""normalization": "style", "activation": "sigmoid""#),
      #"{"layer": "depth_to_space", "name": "pixels", "block": 4}"#,
    ]
    let long = try StyleModel(
      randomWeightsFor: Self.architecture(#"{"layers": [\#(layers.joined(separator: ", "))]}"#), seed: 9)
    let short = try StyleModel(
      randomWeightsFor: Self.architecture(#"{"kind": "patches", "contract": [16], "residual": 1, "expand": []}"#),
      seed: 9)
    let pixels = noisyPicture(20, 12)
    #expect(
      stylized(long, pixels, 20, 12, on: Self.paths[0]) == stylized(short, pixels, 20, 12, on: Self.paths[0]))
    // In float32, each layer on its own.
    let direct = long.running(
      on: FastEngine(predictor: nil, transformer: long.transformer, embeddingCount: 6, usesPatterns: false))
    let embedding = StyleEmbedding(Self.embedding)
    #expect(
      largestDifference(
        try direct.stylized(pixels, width: 20, height: 12, embedding: embedding),
        try long.onReferenceEngine.stylized(pixels, width: 20, height: 12, embedding: embedding)) <= 2e-5)
  }

  @Test("a convolution is as exact as its steps say")
  func convolution() {
    var state: UInt64 = 7
    func next() -> Double {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Double(state >> 11) / Double(1 << 52) - 1
    }
    for (inputs, outputs) in [(16, 16), (32, 48), (128, 16)] {
      let weight = (0..<outputs * inputs * 9).map { _ in Float(next()) }
      let layer = IntegerConvolution(inputChannels: inputs, outputChannels: outputs, weight: weight)
      // A picture of one tile: 6x6 levels with their border, of which the 4x4 inside are seen.
      let levels = (0..<36 * inputs).map { _ in Int16((next() * Double(STYLE_LEVELS)).rounded()) }
      for kernels in Self.paths {
        var sums = [Float](repeating: 0, count: 16 * outputs)
        var doubles = [Double](repeating: 0, count: 2 * outputs)
        var floats = [Float](repeating: 0, count: 2 * outputs)
        var scratch = [UInt8](repeating: 0, count: layer.scratchBytes)
        doubles.withUnsafeMutableBufferPointer { doubles in
          floats.withUnsafeMutableBufferPointer { floats in
            layer.run(
              levels, width: 4, height: 4, into: &sums,
              statistics: style_statistics(
                sum: doubles.baseAddress, sum_of_squares: doubles.baseAddress! + outputs, least: floats.baseAddress,
                greatest: floats.baseAddress! + outputs), scratch: &scratch, kernels: kernels)
          }
        }
        for output in 0..<outputs {
          var squares = 0.0
          var errors = 0.0
          for place in 0..<16 {
            var exact = 0.0
            for input in 0..<inputs {
              for tap in 0..<9 {
                let level = levels[((place / 4 + tap / 3) * 6 + place % 4 + tap % 3) * inputs + input]
                exact += Double(weight[(output * inputs + input) * 9 + tap]) * Double(level)
              }
            }
            let error = abs(Double(sums[place * outputs + output]) * layer.weightSteps[output] - exact)
            // Half a step for each weight, times transformed levels of up to 100, added up by rows of A of up to 22.
            let half = layer.weightSteps[output] / 2 * Double(inputs) * 100 * Double(STYLE_LEVELS) * 22 * 22
            #expect(error <= half * (1 + 1e-6))
            squares += exact * exact
            errors += error * error
          }
          // Their signs are all sorts, so that it is far less. With more channels a step is as much larger, and so are errors beside
          // what they are errors of.
          let channels = Double(inputs) / 16
          #expect(errors <= 5e-4 * channels * channels * squares, "\(inputs) to \(outputs)")
        }
      }
    }
  }

  @Test(
    "forms that it cannot have are refused",
    arguments: [
      (#"{"kind": "patches", "contract": [24], "residual": 1, "expand": []}"#, "transformer.contract"),
      (#"{"kind": "patches", "contract": [], "residual": 1, "expand": []}"#, "transformer.contract"),
      (#"{"kind": "patches", "contract": [16], "residual": 1, "expand": [144]}"#, "transformer.expand"),
      (#"{"kind": "patches", "contract": [16], "residual": 1, "expand": [], "end_kernels": [3, 3]}"#, "end_kernels"),
      (#"{"layers": [{"layer": "depth_to_space", "name": "a", "block": 2}]}"#, "layer 'a'"),
      (#"{"layers": [{"layer": "space_to_depth", "name": "a", "block": 3}]}"#, "layer 'a'"),
      (#"{"layers": [{"layer": "space_to_depth", "name": "a", "block": 5}]}"#, "layers[0].block"),
    ])
  func refusals(form: String, place: String) throws {
    let error = #expect(throws: ModelError.self) {
      try StyleModel(randomWeightsFor: Self.architecture(form), seed: 1)
    }
    #expect(try #require(error).description.contains(place))
  }
}
