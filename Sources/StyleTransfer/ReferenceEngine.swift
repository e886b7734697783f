import COpenBLAS
import FoundationEssentials
import Glibc

/// The two networks in plain Swift on OpenBLAS, one thread, the same bits every time: what every faster engine is tested
/// against.
package struct ReferenceEngine: StyleEngine {
  private let predictor: Network?
  private let predictorSide: Int
  private let embeddingMap: AffineMap?
  private let transformer: Network

  /// An engine for these layers.
  package init(predictor: PredictorPlan?, transformer: TransformerPlan) {
    Self.useOneThread
    self.predictor = predictor.map { plan in
      Network(
        [Stage(plan.stem)] + plan.blocks.map { Stage($0.convolutions, addsInput: $0.addsInput) } + [Stage(plan.head)])
    }
    predictorSide = predictor?.side ?? 0
    embeddingMap = predictor?.embedding
    self.transformer = Network(
      transformer.contract.map { Stage($0) }
        + transformer.residual.map { Stage([$0.first, $0.second], addsInput: true) }
        + transformer.expand.map { Stage($0) })
  }

  /// Workers run side by side, one picture each; threads inside a product would fight for the same cores, and the way
  /// they share the work would show in the last bits. The setting holds for the whole process.
  private static let useOneThread: Void = openblas_set_num_threads(1)

  package func embed(
    _ pixels: UnsafePointer<UInt8>, into embedding: UnsafeMutablePointer<Float>, workspace: StyleWorkspace
  ) {
    guard let predictor, let embeddingMap else { preconditionFailure("this model has no predictor") }
    var tape = LayerTape(
      predictor, pixels: pixels, width: predictorSide, height: predictorSide, embedding: nil, memory: workspace.layers)
    for stage in predictor.stages { tape.run(stage) }

    let features = tape.current
    let means = tape.spare
    for channel in 0..<features.channels {
      means[channel] = Float(mean(of: features.plane(channel), count: features.planeCount))
    }
    embeddingMap.apply(to: means, into: embedding)
  }

  package func stylize(
    _ pixels: UnsafePointer<UInt8>, width: Int, height: Int, embedding: UnsafePointer<Float>,
    into output: UnsafeMutablePointer<Float>, workspace: StyleWorkspace
  ) {
    var tape = LayerTape(
      transformer, pixels: pixels, width: width, height: height, embedding: embedding, memory: workspace.layers)
    for stage in transformer.stages { tape.run(stage) }

    let result = tape.current
    for channel in 0..<3 {
      let plane = result.plane(channel)
      for pixel in 0..<result.planeCount { output[pixel * 3 + channel] = plane[pixel] }
    }
  }
}

/// Convolutions in a row, and whether what went in is added to what comes out.
private struct Stage: Sendable {
  let layers: [Convolution]
  let addsInput: Bool

  init(_ layers: [Convolution], addsInput: Bool) {
    self.layers = layers
    self.addsInput = addsInput
  }

  init(_ layer: Convolution) { self.init([layer], addsInput: false) }
}

private struct Network: Sendable {
  let stages: [Stage]
  let layers: [Convolution]

  init(_ stages: [Stage]) {
    self.stages = stages
    layers = stages.flatMap(\.layers)
  }
}

/// The picture on its way through the layers. Three buffers take turns: what went into a stage stays in one of them while the
/// stage's layers alternate between the other two.
private struct LayerTape {
  private(set) var current: Planes
  private var home = 0
  private let buffers: [3 of UnsafeMutablePointer<Float>]
  private let scratch: UnsafeMutablePointer<Float>
  private let styles: UnsafeMutablePointer<Float>
  private let embedding: UnsafePointer<Float>?

  /// Reserves the memory for all layers and puts the picture in, as numbers from 0 to 1.
  init(
    _ network: Network, pixels: UnsafePointer<UInt8>, width: Int, height: Int, embedding: UnsafePointer<Float>?,
    memory: ScratchMemory
  ) {
    let pictureFloats = largestPicture(of: network.layers, width: width, height: height)
    var styleFloats = 0
    var scratchFloats = 0
    var layerWidth = width
    for layer in network.layers {
      styleFloats = max(styleFloats, 2 * layer.outputChannels)
      scratchFloats = max(scratchFloats, ReferenceConvolution(layer: layer).scratchFloats(inputWidth: layerWidth))
      layerWidth = layer.outputSide(for: layerWidth)
    }
    let base = memory.reserve(floats: 3 * pictureFloats + styleFloats + scratchFloats)
    buffers = [base, base + pictureFloats, base + 2 * pictureFloats]
    styles = base + 3 * pictureFloats
    scratch = styles + styleFloats
    self.embedding = embedding

    current = Planes(values: base, channels: 3, width: width, height: height)
    for channel in 0..<3 {
      let plane = current.plane(channel)
      for pixel in 0..<current.planeCount { plane[pixel] = Float(pixels[pixel * 3 + channel]) / 255 }
    }
  }

  /// A buffer that holds nothing of interest between stages.
  var spare: UnsafeMutablePointer<Float> { buffers[(home + 1) % 3] }

  mutating func run(_ stage: Stage) {
    let input = current
    let inputHome = home
    for (index, layer) in stage.layers.enumerated() {
      home = (inputHome + 1 + index % 2) % 3
      current = ReferenceConvolution(layer: layer).run(current, into: buffers[home], scratch: scratch)
      if let normalization = layer.normalization { normalize(current, normalization) }
      activate(current, layer.activation)
    }
    if stage.addsInput {
      for index in 0..<current.count { current.values[index] += input.values[index] }
    }
  }

  private func normalize(_ picture: Planes, _ normalization: ConditionalNormalization) {
    guard let embedding else { preconditionFailure("a normalisation needs a style") }
    let scales = styles
    let shifts = styles + picture.channels
    normalization.scale.apply(to: embedding, into: scales)
    normalization.shift.apply(to: embedding, into: shifts)
    for channel in 0..<picture.channels {
      let plane = picture.plane(channel)
      let mean = mean(of: plane, count: picture.planeCount)
      var squares = 0.0
      for index in 0..<picture.planeCount {
        let distance = Double(plane[index]) - mean
        squares += distance * distance
      }
      let variance = squares / Double(picture.planeCount)
      let factor = Double(scales[channel]) / (variance + Double(ConditionalNormalization.epsilon)).squareRoot()
      let scale = Float(factor)
      let shift = Float(Double(shifts[channel]) - mean * factor)
      for index in 0..<picture.planeCount { plane[index] = plane[index] * scale + shift }
    }
  }

  private func activate(_ picture: Planes, _ activation: Activation) {
    let values = picture.values
    switch activation {
    case .identity: break
    case .relu: for index in 0..<picture.count { values[index] = max(0, values[index]) }
    case .relu6: for index in 0..<picture.count { values[index] = min(6, max(0, values[index])) }
    case .sigmoid: for index in 0..<picture.count { values[index] = 1 / (1 + exp(-values[index])) }
    }
  }
}

extension AffineMap {
  fileprivate func apply(to input: UnsafePointer<Float>, into output: UnsafeMutablePointer<Float>) {
    for row in 0..<outputs {
      var sum = bias[row]
      for column in 0..<inputs { sum += weight[row * inputs + column] * input[column] }
      output[row] = sum
    }
  }
}

/// Summed in double precision: a plane has up to millions of numbers.
private func mean(of values: UnsafePointer<Float>, count: Int) -> Double {
  var sum = 0.0
  for index in 0..<count { sum += Double(values[index]) }
  return sum / Double(count)
}
