import FoundationEssentials
import Glibc

/// The architectures of the published networks, for benchmarks that have no weights at hand.
package enum PublishedArchitecture {
  /// Magenta's "lite" pair: MobileNetV2 at 256x256, transformer of width 8.
  package static let lite = #"""
    {"format": 1, "embedding": 100,
     "predictor": {"kind": "mobilenet_v2", "side": 256, "stem": 32,
      "blocks": [[1, 16, 1], [6, 24, 2], [6, 24, 1], [6, 32, 2], [6, 32, 1], [6, 32, 1],
                 [6, 64, 2], [6, 64, 1], [6, 64, 1], [6, 64, 1], [6, 96, 1], [6, 96, 1], [6, 96, 1],
                 [6, 160, 2], [6, 160, 1], [6, 160, 1], [6, 320, 1]],
      "head": 1280},
     "transformer": {"kind": "ghiasi", "contract": [8, 16, 32], "residual": 5, "expand": [16, 8], "end_kernels": [9, 9]}}
    """#

  /// The paper's transformer, width 32, without a predictor.
  package static let fullWidthTransformer = #"""
    {"format": 1, "embedding": 100,
     "transformer": {"kind": "ghiasi", "contract": [32, 64, 128], "residual": 5, "expand": [64, 32], "end_kernels": [9, 9]}}
    """#
}

/// Random tensors scaled by the number of inputs of a neuron, so that activations neither vanish nor explode.
struct RandomWeights {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  /// Values for a tensor of the model file: weights spread around 0, biases around 0, biases of scales around 1.
  mutating func tensor(_ name: String, shape: [Int]) -> [Float] {
    let centre: Float = name.hasSuffix(".scale.bias") ? 1 : 0
    let inputs = max(1, shape.dropFirst().reduce(1, *))
    let isStyleMap = name.contains(".scale.") || name.contains(".shift.")
    // Uniform on +-r has the variance r^2 / 3; 2 / inputs keeps it through a ReLU. The styles' maps stay gentle.
    let radius: Float = shape.count == 1 ? 0.1 : (isStyleMap ? 0.05 : (6 / Float(inputs)).squareRoot())
    return (0..<shape.reduce(1, *)).map { _ in centre + radius * uniform() }
  }

  /// Uniform on -1..<1 (SplitMix64).
  private mutating func uniform() -> Float {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    mixed ^= mixed >> 31
    return Float(mixed >> 40) * 0x1p-23 - 1
  }
}
