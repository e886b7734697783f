import CStyleKernels

/// Told the name of a stage when it has ended.
package typealias StageObserver = (String) -> Void

/// The two networks on the vector kernels: what the product runs.
package struct FastEngine: StyleEngine {
  private let transformer: FastTransformer
  private let predictor: FastPredictor?

  /// An engine for these layers.
  ///
  /// - Parameters:
  ///   - predictor: nil in a transformer-only model.
  ///   - transformer: the transformer's layers.
  ///   - embeddingCount: length of z.
  ///   - kernels: the path to run on; by default what the CPU has, or what the environment variable SASSL_CPU names.
  package init(
    predictor: PredictorPlan?, transformer: TransformerPlan, embeddingCount: Int,
    kernels: style_kernels = style_kernels_selected().pointee
  ) {
    self.transformer = FastTransformer(transformer, embeddingCount: embeddingCount, kernels: kernels)
    self.predictor = predictor.map { FastPredictor($0, kernels: kernels) }
  }

  package func embed(
    _ pixels: UnsafePointer<UInt8>, into embedding: UnsafeMutablePointer<Float>, workspace: StyleWorkspace
  ) {
    embed(pixels, into: embedding, workspace: workspace, observe: nil)
  }

  package func stylize(
    _ pixels: UnsafePointer<UInt8>, width: Int, height: Int, embedding: UnsafePointer<Float>,
    into output: UnsafeMutablePointer<Float>, workspace: StyleWorkspace
  ) {
    stylize(
      pixels, width: width, height: height, embedding: embedding, into: output, workspace: workspace, observe: nil)
  }

  /// As ``embed(_:into:workspace:)``, with somebody watching.
  package func embed(
    _ pixels: UnsafePointer<UInt8>, into embedding: UnsafeMutablePointer<Float>, workspace: StyleWorkspace,
    observe: StageObserver?
  ) {
    guard let predictor else { preconditionFailure("this model has no predictor") }
    predictor.run(pixels, into: embedding, memory: workspace.layers, observe: observe)
  }

  /// As ``stylize(_:width:height:embedding:into:workspace:)``, with somebody watching.
  package func stylize(
    _ pixels: UnsafePointer<UInt8>, width: Int, height: Int, embedding: UnsafePointer<Float>,
    into output: UnsafeMutablePointer<Float>, workspace: StyleWorkspace, observe: StageObserver?
  ) {
    transformer.run(
      pixels, width: width, height: height, embedding: embedding, into: output, memory: workspace.layers,
      observe: observe)
  }
}
