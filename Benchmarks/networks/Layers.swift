import CStyleKernels
import Foundation
import StyleTransfer

/// Where one thread's time goes, layer by layer.
struct LayerTimes: Encodable {
  /// One layer, or what lies between two.
  struct Stage: Encodable {
    let stage: String
    /// Median over the pictures.
    let milliseconds: Double
    /// Multiply-accumulates of the layer's definition, in millions; nil for what is no convolution, as all that follow.
    var definedMegaMacs: Double?
    /// Multiply-accumulates of the matrix products that stand for it, in millions.
    var doneMegaMacs: Double?
    var gigaFlopsPerSecond: Double?
    /// Of the kernels' peak, in percent; twice that of float32 where products are of 16 bits.
    var peakPercent: Double?
    /// Input, output and weights, each once.
    var megabytes: Double?
    /// The roofline: no layer is faster than its products at their peak, or than its numbers can be moved.
    var leastMilliseconds: Double?
    /// Whether the products are the longer of the two.
    var isBoundByArithmetic: Bool?
  }

  let shape: String
  let network: String
  let side: Int
  let path: String
  /// What one core's matrix product reaches with everything in the first-level cache.
  let peakGigaFlopsPerSecond: Double
  /// What one core reads and writes of 16 MB.
  let movedGigabytesPerSecond: Double
  let milliseconds: Double
  let pictures: Int
  let stages: [Stage]
}

/// Measures each layer of a workload on one thread.
func layerTimes(of workload: Workload, shape: String, path: String, seconds: Double) -> LayerTimes {
  let model = workload.model
  let engine = FastEngine(
    predictor: model.predictor, transformer: model.transformer, embeddingCount: model.architecture.embedding)
  let workspace = StyleWorkspace()
  let side = workload.side
  let pixels = (0..<side * side * 3).map { UInt8($0 &* 7 % 251) }
  let style = (0..<model.architecture.embedding).map { Float($0 % 7) * 0.3 - 0.9 }
  var output = [Float](repeating: 0, count: max(pixels.count, style.count))
  var names: [String] = []
  /// Of the picture at hand, and of every picture so far. A picture that was interrupted does not show in the median.
  var spent: [String: Duration] = [:]
  var history: [String: [Double]] = [:]
  var last = ContinuousClock.now
  var counts = false
  var pictures = 0
  func once() {
    last = .now
    let observe = { (name: String) in
      let now = ContinuousClock.now
      if counts {
        if pictures == 0 && spent[name] == nil { names.append(name) }
        spent[name, default: .zero] += last.duration(to: now)
      }
      last = .now
    }
    switch workload.network {
    case .transformer:
      engine.stylize(
        pixels, width: side, height: side, embedding: style, into: &output, workspace: workspace, observe: observe)
    case .predictor: engine.embed(pixels, into: &output, workspace: workspace, observe: observe)
    }
  }
  // Measured twice: somebody else may want the core just then.
  let (peakBefore, movedBefore) = (peakGigaFLOPs(), movedGigabytes())
  for _ in 0..<3 { once() }
  counts = true
  let deadline = ContinuousClock.now + .seconds(seconds)
  while ContinuousClock.now < deadline {
    spent.removeAll(keepingCapacity: true)
    once()
    for (name, time) in spent { history[name, default: []].append(time / .seconds(1)) }
    pictures += 1
  }

  let layers = model.layerCosts(width: side, height: side)
  var costs: [String: Cost] = [:]
  let network = workload.network == .transformer ? layers.transformer : layers.predictor
  let outputBytes = Dictionary(uniqueKeysWithValues: network.map { ($0.name, $0.outputBytes) })
  for layer in network where layer.macs > 0 {
    let name = layer.name.hasPrefix("transformer.residual") ? "transformer.residual" : layer.name
    costs[name, default: Cost()].add(
      layer,
      inputBytes: layer.reads.isEmpty
        ? 12 * side * side : layer.reads.reduce(0) { $0 + (outputBytes[$1] ?? 0) })
  }
  let peak = max(peakBefore, peakGigaFLOPs())
  let moved = max(movedBefore, movedGigabytes())
  let medians = history.mapValues { $0.sorted()[$0.count / 2] }
  let stages = names.map { name in
    let each = medians[name] ?? 0
    var stage = LayerTimes.Stage(stage: name, milliseconds: each * 1e3)
    if let cost = costs[name] {
      let rate = 2 * cost.done / each * 1e-9
      let peak = peak * cost.productsAtOnce
      let arithmetic = 2 * cost.done / peak * 1e-6
      let traffic = cost.bytes / moved * 1e-6
      stage.definedMegaMacs = cost.defined * 1e-6
      stage.doneMegaMacs = cost.done * 1e-6
      stage.gigaFlopsPerSecond = rate
      stage.peakPercent = 100 * rate / peak
      stage.megabytes = cost.bytes * 1e-6
      stage.leastMilliseconds = max(arithmetic, traffic)
      stage.isBoundByArithmetic = arithmetic > traffic
    }
    return stage
  }
  return LayerTimes(
    shape: shape, network: workload.network.rawValue, side: side, path: path, peakGigaFlopsPerSecond: peak,
    movedGigabytesPerSecond: moved, milliseconds: medians.values.reduce(0, +) * 1e3, pictures: pictures, stages: stages)
}

/// The same as a table.
func printLayers(_ times: LayerTimes) {
  print(
    String(
      format: "one core multiplies matrices at %.0f GFLOP/s (fp32, from the first-level cache) and moves %.0f GB/s "
        + "(16 MB, read and written)",
      times.peakGigaFlopsPerSecond, times.movedGigabytesPerSecond))
  print("    ms  share  MMAC defined  MMAC done  GFLOP/s  of peak   MB touched  at least ms  stage")
  for stage in times.stages {
    var line = String(format: "%6.3f %5.1f%%", stage.milliseconds, 100 * stage.milliseconds / times.milliseconds)
    if let defined = stage.definedMegaMacs, let done = stage.doneMegaMacs, let rate = stage.gigaFlopsPerSecond,
      let percent = stage.peakPercent, let megabytes = stage.megabytes, let least = stage.leastMilliseconds
    {
      line += String(
        format: "  %12.1f %10.1f %8.1f %7.0f%% %12.2f %8.3f", defined, done, rate, percent, megabytes, least)
      line += stage.isBoundByArithmetic == true ? " MAC" : " MB "
    } else {
      line += String(repeating: " ", count: 68)
    }
    print(line + "  " + stage.stage)
  }
  let least = times.stages.compactMap(\.leastMilliseconds).reduce(0, +)
  print(
    String(
      format: "%6.3f ms in all, medians of %d pictures; the convolutions take at least %.3f ms\n", times.milliseconds,
      times.pictures, least))
}

/// What a layer costs.
private struct Cost {
  /// Multiply-accumulates of the layer's definition.
  var defined = 0.0
  /// Multiply-accumulates of the matrix products that stand for it; transforms not counted.
  var done = 0.0
  /// Input, output and weights, each once.
  var bytes = 0.0
  /// Products that an instruction makes where it makes one of float32.
  var productsAtOnce = 1.0

  mutating func add(_ layer: LayerCost, inputBytes: Int) {
    defined += Double(layer.macs)
    done += layer.doneMACs
    if layer.kernel == .winograd3Integer { productsAtOnce = 2 }
    bytes += Double(inputBytes + layer.outputBytes + layer.weightBytes)
  }
}

/// The matrix product at its best: everything in the first-level cache.
private func peakGigaFLOPs() -> Double {
  let kernels = style_kernels_selected().pointee
  let (outputs, depth, count) = (24, 64, 96)
  let matrix = [Float](repeating: 0.5, count: outputs * depth)
  var packed = matrix
  kernels.pack_rows_f32(matrix, outputs, depth, &packed)
  let offsets = (0..<depth).map { $0 * count }
  let input = [Float](repeating: 0.25, count: depth * count)
  var output = [Float](repeating: 0, count: outputs * count)
  var best = 0.0
  for _ in 0..<20 {
    let start = ContinuousClock.now
    for _ in 0..<500 { kernels.gemm_f32(packed, outputs, offsets, depth, input, count, &output, count, nil) }
    let time = start.duration(to: .now) / .seconds(1)
    best = max(best, 2 * Double(outputs * depth * count) * 500 / time * 1e-9)
  }
  return best
}

/// What one core reads and writes of an array that no second-level cache holds.
private func movedGigabytes() -> Double {
  let kernels = style_kernels_selected().pointee
  var values = [Float](repeating: 0.25, count: 4 << 20)
  var best = 0.0
  for _ in 0..<20 {
    let start = ContinuousClock.now
    values.withUnsafeMutableBufferPointer {
      kernels.affine_f32($0.baseAddress!, $0.count, 1, 0, 0, $0.baseAddress!)
    }
    let time = start.duration(to: .now) / .seconds(1)
    best = max(best, 2 * 4 * Double(values.count) / time * 1e-9)
  }
  return best
}
