import COpenBLAS
import FoundationEssentials
import Glibc

/// The two networks in plain Swift on OpenBLAS, one thread, the same bits every time: what every faster engine is tested
/// against.
package struct ReferenceEngine: StyleEngine {
  private let predictor: PredictorPlan?
  private let transformer: TransformerPlan

  package var isSameOnEveryPath: Bool { false }

  /// An engine for these networks.
  package init(predictor: PredictorPlan?, transformer: TransformerPlan) {
    Self.useOneThread
    self.predictor = predictor
    self.transformer = transformer
  }

  /// Workers run side by side, one picture each; threads inside a product would fight for the same cores, and the way
  /// they share the work would show in the last bits. The setting holds for the whole process.
  private static let useOneThread: Void = openblas_set_num_threads(1)

  package func embed(
    _ pixels: UnsafePointer<UInt8>, into embedding: UnsafeMutablePointer<Float>, workspace: StyleWorkspace
  ) {
    guard let predictor else { preconditionFailure("this model has no predictor") }
    let features = ReferenceRun(
      predictor.graph, width: predictor.side, height: predictor.side, embedding: nil, memory: workspace.layers
    ).output(for: pixels)
    withUnsafeTemporaryAllocation(of: Float.self, capacity: features.channels) { means in
      for channel in 0..<features.channels {
        means[channel] = Float(mean(of: features.plane(channel), count: features.planeCount))
      }
      predictor.embedding.apply(to: means.baseAddress!, into: embedding)
    }
  }

  package func stylize(
    _ pixels: UnsafePointer<UInt8>, width: Int, height: Int, embedding: UnsafePointer<Float>,
    into output: UnsafeMutablePointer<Float>, workspace: StyleWorkspace
  ) {
    let result = ReferenceRun(
      transformer.graph, width: width, height: height, embedding: embedding, memory: workspace.layers
    ).output(for: pixels)
    for channel in 0..<3 {
      let plane = result.plane(channel)
      for pixel in 0..<result.planeCount { output[pixel * 3 + channel] = plane[pixel] }
    }
  }
}

/// One picture on its way through the layers.
private struct ReferenceRun {
  private let graph: LayerGraph
  private let embedding: UnsafePointer<Float>?
  /// Entry 0 is the network's picture, entry k the output of layer k - 1.
  private let pictures: [Planes]
  private let styles: UnsafeMutablePointer<Float>
  private let scratch: UnsafeMutablePointer<Float>

  /// Reserves the memory for all layers.
  init(_ graph: LayerGraph, width: Int, height: Int, embedding: UnsafePointer<Float>?, memory: ScratchMemory) {
    self.graph = graph
    self.embedding = embedding
    let shapes = graph.checkedShapes(width: width, height: height)
    let plan = PicturePlan(graph, sizes: shapes.map(\.count))
    var styleFloats = 0
    var scratchFloats = 0
    for (index, layer) in graph.layers.enumerated() {
      guard let convolution = layer.convolution else { continue }
      styleFloats = max(styleFloats, 2 * convolution.outputChannels)
      scratchFloats = max(
        scratchFloats,
        ReferenceConvolution(layer: convolution).scratchFloats(outputWidth: shapes[index + 1].width))
    }
    let base = memory.reserve(floats: plan.count + styleFloats + scratchFloats)
    styles = base + plan.count
    scratch = styles + styleFloats
    pictures = zip(shapes, plan.offsets).map { shape, offset in
      Planes(values: base + offset, channels: shape.channels, width: shape.width, height: shape.height)
    }
  }

  /// Runs every layer.
  ///
  /// - Returns: the last one's output, in the memory that was reserved.
  func output(for pixels: UnsafePointer<UInt8>) -> Planes {
    let picture = pictures[0]
    for channel in 0..<3 {
      let plane = picture.plane(channel)
      for pixel in 0..<picture.planeCount { plane[pixel] = Float(pixels[pixel * 3 + channel]) / 255 }
    }
    for (index, layer) in graph.layers.enumerated() {
      run(layer, from: layer.inputs.map { pictures[$0] }, to: pictures[index + 1])
    }
    return pictures[graph.layers.count]
  }

  private func run(_ layer: LayerGraph.Layer, from inputs: [Planes], to output: Planes) {
    switch layer.operation {
    case .convolution(let convolution):
      _ = ReferenceConvolution(layer: convolution).run(inputs[0], into: output.values, scratch: scratch)
      if let normalization = convolution.normalization { normalize(output, normalization) }
      activate(output, convolution.activation)
    case .maxPooling(let window):
      pool(inputs[0], window, into: output) { values, _ in values.max() ?? 0 }
    case .averagePooling(let window, let countsBorder):
      pool(inputs[0], window, into: output) { values, taps in
        values.reduce(0, +) / Float(countsBorder ? taps : values.count)
      }
    case .addition:
      for index in 0..<output.count { output.values[index] = inputs[0].values[index] + inputs[1].values[index] }
    case .concatenation:
      var next = output.values
      for input in inputs {
        next.update(from: input.values, count: input.count)
        next += input.count
      }
    case .spaceToDepth(let side):
      PixelSquares(side: side, deep: output.shape).gather(
        inputs[0].values, wideStride: inputs[0].planeCount, into: output.values, stride: output.planeCount)
    case .depthToSpace(let side):
      PixelSquares(side: side, deep: inputs[0].shape).scatter(
        inputs[0].values, stride: inputs[0].planeCount, into: output.values, wideStride: output.planeCount)
    }
  }

  /// Hands over the numbers of each window that lie inside the picture, and how many it has in all.
  private func pool(_ input: Planes, _ window: Window, into output: Planes, _ value: ([Float], Int) -> Float) {
    for channel in 0..<output.channels {
      let plane = input.plane(channel)
      for row in 0..<output.height {
        let top = row * window.stride - window.padding.top
        for column in 0..<output.width {
          let left = column * window.stride - window.padding.left
          var values: [Float] = []
          for y in max(0, top)..<min(input.height, top + window.rows) {
            for x in max(0, left)..<min(input.width, left + window.columns) {
              values.append(plane[y * input.width + x])
            }
          }
          output.plane(channel)[row * output.width + column] = value(values, window.rows * window.columns)
        }
      }
    }
  }

  private func normalize(_ picture: Planes, _ normalization: InstanceNormalization) {
    let scales = styles
    let shifts = styles + picture.channels
    if let style = normalization.style {
      guard let embedding else { preconditionFailure("a normalisation needs a style") }
      style.scale.apply(to: embedding, into: scales)
      style.shift.apply(to: embedding, into: shifts)
    } else {
      scales.update(repeating: 1, count: picture.channels)
      shifts.update(repeating: 0, count: picture.channels)
    }
    for channel in 0..<picture.channels {
      let plane = picture.plane(channel)
      let mean = mean(of: plane, count: picture.planeCount)
      var squares = 0.0
      for index in 0..<picture.planeCount {
        let distance = Double(plane[index]) - mean
        squares += distance * distance
      }
      let variance = squares / Double(picture.planeCount)
      let factor = Double(scales[channel]) / (variance + Double(InstanceNormalization.epsilon)).squareRoot()
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
