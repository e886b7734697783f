import CStyleKernels
import StyleTransfer
import Testing

/// Predictors of random layers: every kind of them after every other, branches that join again, pictures that live long.
@Suite("Random graphs")
struct RandomGraphTests {
  /// The same numbers in every run, so that a failure can be looked at twice.
  private struct SeededNumbers: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
      mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
      return mixed ^ (mixed >> 31)
    }
  }

  private struct Picture {
    let name: String
    let channels: Int
    let width: Int
    let height: Int
    let reads: [Int]
    let layer: String
  }

  /// An architecture as a file spells it out: a predictor of the layers that lead to the last one, and the smallest transformer.
  private static func architecture(seed: UInt64) -> (text: String, side: Int) {
    var numbers = SeededNumbers(state: seed)
    func pick(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &numbers) }
    let side = pick(7...40)
    var pictures = [Picture(name: "picture", channels: 3, width: side, height: side, reads: [], layer: "")]
    while pictures.count < 16 {
      let number = max(0, pictures.count - pick(1...4))
      let input = pictures[number]
      let name = "l\(pictures.count)"
      func add(_ kind: String, _ keys: String, _ shape: (channels: Int, width: Int, height: Int), _ reads: [Int]) {
        let from = reads.map { "\"\(pictures[$0].name)\"" }.joined(separator: ", ")
        pictures.append(
          Picture(
            name: name, channels: shape.channels, width: shape.width, height: shape.height, reads: reads,
            layer: #"{"layer": "\#(kind)", "name": "\#(name)", "from": [\#(from)]\#(keys)}"#))
      }
      switch pick(0...9) {
      case 0...5:
        let rows = pick(1...5)
        // Square ones with the same border on every side may run in tiles.
        let isSquare = pick(0...1) == 0
        let kernel = (rows: rows, columns: isSquare ? rows : pick(1...5))
        let stride = pick(1...2)
        let upsampling = input.width * input.height <= 200 ? pick(1...2) : 1
        let isMirrored = pick(0...1) == 1
        let limits = [input.height, input.height, input.width, input.width].map { isMirrored ? $0 * upsampling - 1 : 4 }
        let limit = min(limits.min() ?? 0, kernel.rows - 1)
        let padding =
          isSquare
          ? [Int](repeating: pick(0...limit), count: 4)
          : limits.enumerated().map { index, limit in
            pick(0...min(limit, (index < 2 ? kernel.rows : kernel.columns) - 1))
          }
        let width = (input.width * upsampling + padding[2] + padding[3] - kernel.columns) / stride + 1
        let height = (input.height * upsampling + padding[0] + padding[1] - kernel.rows) / stride + 1
        guard
          input.width * upsampling + padding[2] + padding[3] >= kernel.columns,
          input.height * upsampling + padding[0] + padding[1] >= kernel.rows
        else { continue }
        let isDepthwise = pick(0...3) == 0
        let channels = isDepthwise ? input.channels : pick(1...29)
        let isNormalized = width * height >= 16 && pick(0...3) == 0
        let activation = ["identity", "relu", "relu6", "sigmoid"][pick(0...3)]
        add(
          "convolution",
          #", "channels": \#(channels), "kernel": [\#(kernel.rows), \#(kernel.columns)], "stride": \#(stride), "#
            + #""padding": \#(padding), "border": "\#(isMirrored ? "mirrored" : "zeros")", "upsampling": \#(upsampling), "#
            + #""depthwise": \#(isDepthwise), "activation": "\#(activation)""#
            + (isNormalized ? #", "normalization": "instance""# : ""), (channels, width, height), [number])
      case 6:
        let (rows, columns, stride) = (pick(1...3), pick(1...3), pick(1...2))
        guard input.height >= rows, input.width >= columns else { continue }
        add(
          "max_pooling", #", "kernel": [\#(rows), \#(columns)], "stride": \#(stride)"#,
          (input.channels, (input.width - columns) / stride + 1, (input.height - rows) / stride + 1), [number])
      case 7:
        let (rows, columns) = (pick(1...3), pick(1...4))
        let padding = [pick(0...rows - 1), pick(0...rows - 1), pick(0...columns - 1), pick(0...columns - 1)]
        let width = input.width + padding[2] + padding[3] - columns + 1
        let height = input.height + padding[0] + padding[1] - rows + 1
        guard width > 0, height > 0 else { continue }
        add(
          "average_pooling",
          #", "kernel": [\#(rows), \#(columns)], "padding": \#(padding), "counts_border": \#(pick(0...1) == 1)"#,
          (input.channels, width, height), [number])
      default:
        let alike = pictures.indices.filter {
          pictures[$0].width == input.width && pictures[$0].height == input.height
        }
        let same = alike.filter { pictures[$0].channels == input.channels }
        if pick(0...1) == 0 {
          add("addition", "", (input.channels, input.width, input.height), [number, same[pick(0...same.count - 1)]])
        } else {
          let reads = (0..<pick(2...4)).map { _ in alike[pick(0...alike.count - 1)] }
          let channels = reads.reduce(0) { $0 + pictures[$1].channels }
          guard channels <= 200 else { continue }
          add("concatenation", "", (channels, input.width, input.height), reads)
        }
      }
    }
    var needed: Set<Int> = [pictures.count - 1]
    for number in pictures.indices.reversed() where needed.contains(number) { needed.formUnion(pictures[number].reads) }
    let layers = pictures.indices.filter { $0 > 0 && needed.contains($0) }.map { pictures[$0].layer }
    return (
      """
      {"format": 2, "embedding": 7, "predictor": {"side": \(side), "layers": [\(layers.joined(separator: ", "))]},
       "transformer": {"kind": "ghiasi", "contract": [1, 1, 1], "residual": 0, "expand": [1, 1], "end_kernels": [3, 3]}}
      """, side
    )
  }

  @Test func `run in every way that layers can`() throws {
    var kernels: Set<LayerCost.Kernel> = []
    for seed in 0..<60 {
      let model = try StyleModel(randomWeightsFor: Self.architecture(seed: UInt64(seed)).text, seed: 0)
      kernels.formUnion(model.layerCosts(width: 8, height: 8).predictor.map(\.kernel))
    }
    #expect(kernels == [.winograd3, .winograd5, .product, .pass, .none])
  }

  @Test("agree with the reference on every path, whatever the memory held", arguments: 0..<60)
  func agree(seed: Int) throws {
    let (architecture, side) = Self.architecture(seed: UInt64(seed))
    let model = try StyleModel(randomWeightsFor: architecture, seed: UInt64(seed))
    var numbers = SeededNumbers(state: 1)
    let pixels = (0..<side * side * 3).map { _ in UInt8.random(in: 0...255, using: &numbers) }
    let expected = try model.onReferenceEngine.embed(pixels: pixels, workspace: StyleWorkspace()).values
    let scale = expected.reduce(1) { max($0, abs($1)) }
    for kernels in kernelPaths {
      let engine = FastEngine(
        predictor: model.predictor, transformer: model.transformer, embeddingCount: 7, kernels: kernels)
      let results = [Float(0), .nan, 3e38].map { (value: Float) -> [Float] in
        let workspace = StyleWorkspace()
        let count = 1 << 20
        workspace.layers.reserve(floats: count).update(repeating: value, count: count)
        workspace.picture.reserve(floats: 4096).update(repeating: value, count: 4096)
        var embedding = [Float](repeating: .nan, count: 7)
        engine.embed(pixels, into: &embedding, workspace: workspace)
        return embedding
      }
      let bits = results.map { $0.map(\.bitPattern) }
      for other in bits { #expect(other == bits[0]) }
      let difference = largestDifference(results[0], expected)
      #expect(
        difference <= 1e-4 * scale, "\(String(cString: kernels.name)): \(difference) of \(scale), \(architecture)")
    }
  }
}
