import CStyleKernels

/// Told the name of a stage when it has ended.
package typealias StageObserver = (String) -> Void

/// The two networks on the vector kernels: what the product runs.
package struct FastEngine: StyleEngine {
  private let transformer: Transformer
  private let predictor: Predictor?

  /// What runs a transformer.
  private enum Transformer {
    /// The pattern that Winograd convolutions are chained for.
    case chain(FastTransformer)
    /// The pattern that runs in whole numbers.
    case patches(PatchTransformer)
    /// Any other layers.
    case direct(DirectNetwork)
  }

  /// What runs a predictor.
  private enum Predictor {
    /// The pattern that runs in bands.
    case chain(FastPredictor)
    /// Any other layers, and the end of the predictor.
    case direct(DirectNetwork, side: Int, mean: MeanEmbedding, scratchFloats: Int)
  }

  /// An engine for these layers.
  ///
  /// - Parameters:
  ///   - predictor: nil in a transformer-only model.
  ///   - transformer: the transformer's layers.
  ///   - embeddingCount: length of z.
  ///   - kernels: the path to run on; by default what the CPU has, or what the environment variable SASSL_CPU names.
  ///   - integerKernels: likewise, for what runs in whole numbers.
  ///   - usesPatterns: whether layers in a known pattern run together; false runs each on its own, for tests.
  package init(
    predictor: PredictorPlan?, transformer: TransformerPlan, embeddingCount: Int,
    kernels: style_kernels = style_kernels_selected().pointee,
    integerKernels: style_integer_kernels = style_integer_kernels_selected().pointee, usesPatterns: Bool = true
  ) {
    if usesPatterns, let chain = StyleChain(transformer) {
      self.transformer = .chain(FastTransformer(chain, embeddingCount: embeddingCount, kernels: kernels))
    } else if usesPatterns, let chain = PatchChain(transformer) {
      self.transformer = .patches(PatchTransformer(chain, embeddingCount: embeddingCount, kernels: integerKernels))
    } else {
      self.transformer = .direct(DirectNetwork(transformer.graph, embeddingCount: embeddingCount, kernels: kernels))
    }
    self.predictor = predictor.map { predictor in
      if usesPatterns, let chain = InvertedResidualChain(predictor) {
        return .chain(FastPredictor(chain, kernels: kernels))
      }
      return .direct(
        DirectNetwork(predictor.graph, embeddingCount: embeddingCount, kernels: kernels), side: predictor.side,
        mean: MeanEmbedding(predictor.embedding, kernels: kernels),
        scratchFloats: MeanEmbedding.scratchFloats(predictor.embedding))
    }
  }

  /// What computes in whole numbers, or rounds once in each step.
  package var isSameOnEveryPath: Bool {
    guard case .patches = transformer else { return false }
    if case .direct = predictor { return false }
    return true
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
    switch predictor {
    case .chain(let predictor): predictor.run(pixels, into: embedding, memory: workspace.layers, observe: observe)
    case .direct(let network, let side, let mean, let scratchFloats):
      let output = network.run(
        pixels, width: side, height: side, embedding: nil, memory: workspace.layers, observe: observe)
      mean.apply(
        to: output.planes, planeStride: output.planeStride, count: output.shape.width * output.shape.height,
        scratch: workspace.picture.reserve(floats: scratchFloats), into: embedding)
      observe?("mean and embedding")
    case nil: preconditionFailure("this model has no predictor")
    }
  }

  /// As ``stylize(_:width:height:embedding:into:workspace:)``, with somebody watching.
  package func stylize(
    _ pixels: UnsafePointer<UInt8>, width: Int, height: Int, embedding: UnsafePointer<Float>,
    into output: UnsafeMutablePointer<Float>, workspace: StyleWorkspace, observe: StageObserver?
  ) {
    switch transformer {
    case .patches(let transformer):
      transformer.run(
        pixels, width: width, height: height, embedding: embedding, into: output, memory: workspace.layers,
        observe: observe)
    case .chain(let transformer):
      transformer.run(
        pixels, width: width, height: height, embedding: embedding, into: output, memory: workspace.layers,
        observe: observe)
    case .direct(let network):
      let result = network.run(
        pixels, width: width, height: height, embedding: embedding, memory: workspace.layers, observe: observe)
      for channel in 0..<3 {
        let plane = result.planes + channel * result.planeStride
        for pixel in 0..<width * height { output[3 * pixel + channel] = plane[pixel] }
      }
      observe?("planes to pixels")
    }
  }
}
