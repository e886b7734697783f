/// The shape of a model, as the `architecture` entry of its file states it. docs/model-format.md is the specification.
package struct ModelArchitecture: Sendable, Hashable {
  /// The predictor: layers, then the mean over the picture, then a linear map to z.
  package struct Predictor: Sendable, Hashable {
    /// Width and height of the picture it sees.
    package let side: Int
    /// The layers, each after those that it reads.
    package let layers: [LayerDescription]
  }

  /// The transformer: the last layer's output is the repainted picture.
  package struct Transformer: Sendable, Hashable {
    /// The layers, each after those that it reads.
    package let layers: [LayerDescription]
  }

  /// Length of z.
  package let embedding: Int
  /// Nil in a transformer-only model.
  package let predictor: Predictor?
  /// The transformer.
  package let transformer: Transformer

  /// The smallest side of a picture that reflection padding allows at a quarter of the resolution.
  package static let minimumSide = 8
  /// Both sides of a picture must be multiples of this: the transformer halves them twice.
  package static let sideMultiple = 4
  /// The largest side of a picture: as long as that of any JPEG, and what its layers make of it can be counted.
  package static let maximumSide = 65_536

  /// Whether a transformer takes pictures with a side of so many pixels.
  package static func takes(side: Int) -> Bool {
    (minimumSide...maximumSide).contains(side) && side % sideMultiple == 0
  }
}
