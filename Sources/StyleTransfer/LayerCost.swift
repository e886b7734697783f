/// One layer as ``StyleModel/layerCosts(width:height:)`` describes it: what it is, what runs it, and what it costs.
package struct LayerCost: Sendable {
  /// What makes a layer's numbers.
  package enum Kernel: String, Sendable {
    /// With its neighbours, in bands of rows that stay in the cache.
    case bands
    /// Tiles of 4x4 outputs; the four 2x2 kernels that a 3x3 kernel on an enlarged picture is.
    case winograd2 = "Winograd 2x2"
    /// Tiles of 4x4 outputs.
    case winograd3 = "Winograd 3x3"
    /// Tiles of 4x4 outputs, the kernel cut into blocks.
    case winograd5 = "Winograd 5x5"
    /// Tiles of 4x4 outputs, in whole numbers.
    case winograd3Integer = "Winograd 3x3, integers"
    /// One matrix product.
    case product = "matrix product"
    /// A pass over the picture.
    case pass
    /// Nothing: its inputs were put in their places by those who made them, or it is part of what makes its input.
    case none
  }

  /// The name of its tensors without `.weight`, or what they would be called.
  package let name: String
  /// In words: kernel, stride, what is applied around it.
  package let operation: String
  /// The layers whose outputs it reads; empty for the network's own picture.
  package let reads: [String]
  /// What runs it.
  package let kernel: Kernel
  /// Its output.
  package let output: PictureShape
  /// Multiply-accumulates for one picture, as the layer is defined.
  package let macs: Int
  /// The same for the matrix products that stand for it; transforms are not counted.
  package let doneMACs: Double
  /// Of its weights, biases and styles' maps, in float32.
  package let weightBytes: Int
  /// Of its output, in float32.
  package let outputBytes: Int
}

extension StyleModel {
  /// Every layer of the predictor and of the transformer, in the order in which they run.
  ///
  /// - Parameters:
  ///   - width: of the picture that the transformer repaints.
  ///   - height: likewise.
  /// - Precondition: the transformer takes both sides: ``ModelArchitecture/takes(side:)``.
  package func layerCosts(width: Int, height: Int) -> (predictor: [LayerCost], transformer: [LayerCost]) {
    var costs = predictor.map { predictor in
      let count = predictor.graph.convolutions.count
      // The first convolution and the last are products of their own.
      let kernels = (0..<count).map { 0 < $0 && $0 < count - 1 ? LayerCost.Kernel.bands : .product }
      return predictor.graph.costs(
        of: "predictor", width: predictor.side, height: predictor.side,
        chain: InvertedResidualChain(predictor) == nil ? nil : kernels)
    }
    if let predictor, let last = costs?.last {
      costs?.append(
        LayerCost(
          name: "predictor.embedding", operation: "mean over the picture, linear map", reads: [last.name],
          kernel: .product, output: PictureShape(channels: predictor.embedding.outputs, width: 1, height: 1),
          macs: predictor.embedding.macs, doneMACs: Double(predictor.embedding.macs),
          weightBytes: 4 * predictor.embedding.parameterCount, outputBytes: 4 * predictor.embedding.outputs))
    }
    let chain =
      StyleChain(transformer).map { chain -> [LayerCost.Kernel] in
        [.winograd5, .product, .product] + Array(repeating: .winograd3, count: 2 * chain.residualBlocks)
          + [.winograd2, .winograd2, .winograd5]
      } ?? PatchChain(transformer).map { Array(repeating: .winograd3Integer, count: $0.convolutions.count) }
    return (costs ?? [], transformer.graph.costs(of: "transformer", width: width, height: height, chain: chain))
  }
}

extension LayerGraph {
  /// - Parameter chain: what runs each convolution where the layers are in a known pattern, which adds in passing.
  fileprivate func costs(
    of network: String, width: Int, height: Int, chain: [LayerCost.Kernel]?
  ) -> [LayerCost] {
    let shapes = checkedShapes(width: width, height: height)
    var next = 0
    return layers.enumerated().map { index, layer in
      let macs = layer.convolution?.macs(output: shapes[index + 1]) ?? 0
      let chosen = chain.map { layer.convolution == nil ? .none : $0[next] } ?? layer.operation.kernel
      if layer.convolution != nil { next += 1 }
      let parameters = layer.convolution?.parameterCount ?? 0
      return LayerCost(
        name: "\(network).\(layer.name)", operation: layer.operation.words,
        reads: layer.inputs.filter { $0 > 0 }.map { "\(network).\(layers[$0 - 1].name)" }, kernel: chosen,
        output: shapes[index + 1], macs: macs,
        doneMACs: Double(macs) * (layer.convolution.map { chosen.share(of: $0) } ?? 0), weightBytes: 4 * parameters,
        outputBytes: 4 * shapes[index + 1].count)
    }
  }
}

extension LayerGraph.Operation {
  fileprivate var kernel: LayerCost.Kernel {
    switch self {
    case .convolution(let layer):
      switch TiledConvolution.shape(for: layer) {
      case .fourByTwo: .winograd2
      case .fourByThree: .winograd3
      case .fourByFive: .winograd5
      case nil: .product
      }
    case .maxPooling, .averagePooling, .addition, .spaceToDepth, .depthToSpace: .pass
    case .concatenation: .none
    }
  }

  fileprivate var words: String {
    switch self {
    case .convolution(let layer):
      var words = layer.upsampling == 1 ? "" : "enlarged, "
      words += layer.isDepthwise ? "depthwise \(layer.window.words)" : layer.window.words
      if let normalization = layer.normalization {
        words += normalization.style == nil ? ", normalised" : ", normalised by style"
      }
      return words + (layer.activation == .identity ? "" : ", \(layer.activation.rawValue)")
    case .maxPooling(let window): return "largest of \(window.words)"
    case .averagePooling(let window, _): return "mean of \(window.words)"
    case .addition: return "sum"
    case .concatenation: return "channels together"
    case .spaceToDepth(let side): return "squares of \(side)x\(side) as channels"
    case .depthToSpace(let side): return "channels as squares of \(side)x\(side)"
    }
  }
}

extension Window {
  fileprivate var words: String { "\(rows)x\(columns)" + (stride == 1 ? "" : "/\(stride)") }
}

extension LayerCost.Kernel {
  /// Multiplications of a tile over those of its definition.
  fileprivate func share(of layer: Convolution) -> Double {
    switch self {
    case .bands, .product, .pass, .none: return 1
    case .winograd2: return 25.0 / 16 / 9
    case .winograd3, .winograd3Integer: return 36.0 / 16 / 9
    case .winograd5:
      let blocks = Double(max(1, (layer.window.rows + 2) / 4))
      return 64 * blocks * blocks / 16 / Double(layer.window.rows * layer.window.rows)
    }
  }
}
