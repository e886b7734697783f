import CStyleKernels

/// Any graph of layers on the vector kernels: each convolution is one matrix product over shifted copies of its input, or runs
/// in tiles where that takes fewer multiplications (``TiledConvolution``); each pooling layer is one pass over such copies.
///
/// A picture between two layers is one plane of floats for each channel, rows one after the other. A layer with a window
/// copies its input into phase planes with a border, where every tap of the window is a plane at an offset. Pictures that are
/// put together lie side by side from the start.
final class DirectNetwork: Sendable {
  private let graph: LayerGraph
  private let kernels: style_kernels
  /// For each layer its packed weights; nil where it has none.
  private let weights: [AlignedFloats?]
  private let biases: [AlignedFloats?]
  /// For each layer what runs it in tiles; nil where nothing does.
  private let tiled: [TiledConvolution?]
  private let styles: StyleParameters?

  /// - Parameters:
  ///   - graph: the layers.
  ///   - embeddingCount: length of z.
  ///   - kernels: the path to run on.
  init(_ graph: LayerGraph, embeddingCount: Int, kernels: style_kernels) {
    self.graph = graph
    self.kernels = kernels
    tiled = graph.layers.map { layer in
      guard let convolution = layer.convolution, let shape = TiledConvolution.shape(for: convolution) else {
        return nil
      }
      return TiledConvolution(convolution, shape: shape, kernels: kernels)
    }
    weights = zip(graph.layers, tiled).map { layer, tiled in
      tiled == nil ? layer.convolution.map { Self.packed($0, kernels: kernels) } : nil
    }
    biases = graph.layers.map { $0.convolution?.bias.map { AlignedFloats($0) } }
    let maps = graph.convolutions.compactMap(\.normalization?.style)
    styles = maps.isEmpty ? nil : StyleParameters(maps, embeddingCount: embeddingCount)
  }

  private static func packed(_ layer: Convolution, kernels: style_kernels) -> AlignedFloats {
    // A depthwise convolution is a product of one row for each channel, whose weights lie as they are.
    if layer.isDepthwise { return AlignedFloats(layer.weight) }
    return AlignedFloats(count: layer.weight.count) { packed in
      layer.weight.withUnsafeBufferPointer {
        kernels.pack_rows_f32(
          $0.baseAddress!, layer.outputChannels, layer.weight.count / layer.outputChannels, packed)
      }
    }
  }

  /// The last layer's output, one plane for each channel, in the memory that is handed over.
  struct Output {
    /// The first plane.
    let planes: UnsafeMutablePointer<Float>
    /// Floats from one plane to the next.
    let planeStride: Int
    /// Of each plane; rows follow one another.
    let shape: PictureShape
  }

  /// Runs every layer.
  ///
  /// - Parameters:
  ///   - pixels: `[height][width][3]` uint8 RGB.
  ///   - embedding: the coordinates of z; not read by a graph without conditional normalisation.
  ///   - observe: called with a layer's name when it has ended.
  func run(
    _ pixels: UnsafePointer<UInt8>, width: Int, height: Int, embedding: UnsafePointer<Float>?, memory: ScratchMemory,
    observe: StageObserver?
  ) -> Output {
    let geometry = Geometry(graph, tiled: tiled, shapes: graph.checkedShapes(width: width, height: height))
    let styleFloats = styles?.count ?? 0
    let base = memory.reserve(floats: geometry.floatCount + styleFloats)
    let style = base + geometry.floatCount
    if let styles, let embedding { styles.evaluate(embedding, into: style) }
    let pass = Pass(network: self, geometry: geometry, base: base, style: style)
    pass.read(pixels)
    observe?("pixels to planes")
    var normalization = 0
    for (index, layer) in graph.layers.enumerated() {
      pass.run(index, normalization: &normalization)
      observe?(layer.convolution?.name ?? layer.name)
    }
    let shape = geometry.shapes[graph.layers.count]
    return Output(
      planes: base + geometry.plan.offsets[graph.layers.count], planeStride: Geometry.planeStride(shape), shape: shape)
  }
}

extension DirectNetwork {
  /// Where everything lies for one size of picture.
  fileprivate struct Geometry {
    let shapes: [PictureShape]
    let plan: PicturePlan
    let borderedFloats: Int
    let productFloats: Int

    init(_ graph: LayerGraph, tiled: [TiledConvolution?], shapes: [PictureShape]) {
      self.shapes = shapes
      var hosts: [Int: (picture: Int, offset: Int)] = [:]
      var bordered = 0
      var products = 0
      for (index, layer) in graph.layers.enumerated() {
        let input = shapes[layer.inputs[0]]
        let output = shapes[index + 1]
        switch layer.operation {
        case .convolution(let convolution):
          if let tiled = tiled[index] {
            let geometry = tiled.geometry(input, output)
            bordered = max(bordered, geometry.borderedFloats)
            products = max(products, geometry.productFloats)
            break
          }
          guard !convolution.isPointwise else { break }
          let planes = BorderedPlanes(convolution.window, upsampling: convolution.upsampling, input)
          bordered = max(bordered, (convolution.isDepthwise ? 1 : input.channels) * planes.channelStride)
          products = max(
            products, (convolution.isDepthwise ? 1 : output.channels) * planes.productStride(output))
        case .maxPooling(let window), .averagePooling(let window, _):
          let planes = BorderedPlanes(window, upsampling: 1, input)
          bordered = max(bordered, planes.channelStride)
          products = max(products, planes.productStride(output))
        case .addition, .spaceToDepth, .depthToSpace: break
        case .concatenation:
          var channel = 0
          for picture in layer.inputs {
            if picture != 0 && hosts[picture] == nil {
              hosts[picture] = (index + 1, channel * Self.planeStride(output))
            }
            channel += shapes[picture].channels
          }
        }
      }
      plan = PicturePlan(graph, sizes: shapes.map { $0.channels * Self.planeStride($0) }, hosts: hosts)
      borderedFloats = roundUp(bordered, toMultipleOf: 16)
      productFloats = roundUp(products, toMultipleOf: 16)
    }

    var floatCount: Int { plan.count + borderedFloats + productFloats + Self.lineFloats }

    /// Room for a row of pixels in each colour, and what whole vectors write past it.
    static let lineFloats = 3 * 256

    /// Floats from one plane of a picture to the next: whole vectors.
    static func planeStride(_ shape: PictureShape) -> Int {
      PhaseLayout.oddCacheLines(roundUp(shape.width * shape.height, toMultipleOf: 16))
    }
  }

  /// One picture on its way through the network.
  fileprivate struct Pass {
    let network: DirectNetwork
    let geometry: Geometry
    let base: UnsafeMutablePointer<Float>
    let style: UnsafeMutablePointer<Float>

    private var kernels: style_kernels { network.kernels }
    private var bordered: UnsafeMutablePointer<Float> { base + geometry.plan.count }
    private var product: UnsafeMutablePointer<Float> { bordered + geometry.borderedFloats }
    private var line: UnsafeMutablePointer<Float> { product + geometry.productFloats }

    private func picture(_ number: Int) -> UnsafeMutablePointer<Float> { base + geometry.plan.offsets[number] }

    /// Pixels to planes.
    func read(_ pixels: UnsafePointer<UInt8>) {
      let shape = geometry.shapes[0]
      let stride = Geometry.planeStride(shape)
      let planes = picture(0)
      kernels.pixels_to_rows_f32(
        pixels, shape.width * shape.height, planes, planes + stride, planes + 2 * stride)
    }

    /// Runs one layer.
    ///
    /// - Parameter normalization: how many conditional normalisations there were before.
    func run(_ index: Int, normalization: inout Int) {
      let layer = network.graph.layers[index]
      let output = geometry.shapes[index + 1]
      let target = picture(index + 1)
      let stride = Geometry.planeStride(output)
      switch layer.operation {
      case .convolution(let convolution):
        convolve(convolution, index, to: target, output)
        if let instance = convolution.normalization {
          let number = instance.style.map { _ in normalization }
          normalize(target, output, stride: stride, number: number, activation: convolution.activation)
          if number != nil { normalization += 1 }
        }
        if convolution.activation == .sigmoid {
          for channel in 0..<output.channels {
            sigmoid(target + channel * stride, count: output.width * output.height)
          }
        }
      case .maxPooling(let window):
        pool(layer.inputs[0], window, to: target, output) { offsets, taps, input, count, product in
          kernels.maximum_f32(input, offsets, taps, count, product)
        }
      case .averagePooling(let window, let countsBorder):
        let taps = window.rows * window.columns
        withUnsafeTemporaryAllocation(of: Float.self, capacity: taps) { weights in
          weights.initialize(repeating: 1 / Float(taps))
          pool(layer.inputs[0], window, to: target, output) { offsets, taps, input, count, product in
            kernels.gemm_f32(weights.baseAddress!, 1, offsets, taps, input, count, product, count, nil)
          }
        }
        if !countsBorder { leaveBorderOut(of: target, window, geometry.shapes[layer.inputs[0]], output) }
      case .addition:
        let count = output.channels * stride
        target.update(from: picture(layer.inputs[0]), count: count)
        kernels.add_affine_f32(picture(layer.inputs[1]), count, 1, 0, target)
      case .concatenation:
        var next = target
        for input in layer.inputs {
          let count = geometry.shapes[input].channels * stride
          // Most lie there already.
          if picture(input) != next { next.update(from: picture(input), count: count) }
          next += count
        }
      case .spaceToDepth(let side):
        let input = layer.inputs[0]
        PixelSquares(side: side, deep: output).gather(
          picture(input), wideStride: Geometry.planeStride(geometry.shapes[input]), into: target, stride: stride)
      case .depthToSpace(let side):
        let input = layer.inputs[0]
        PixelSquares(side: side, deep: geometry.shapes[input]).scatter(
          picture(input), stride: Geometry.planeStride(geometry.shapes[input]), into: target, wideStride: stride)
      }
    }

    private func convolve(
      _ layer: Convolution, _ index: Int, to target: UnsafeMutablePointer<Float>, _ output: PictureShape
    ) {
      let number = network.graph.layers[index].inputs[0]
      let input = geometry.shapes[number]
      let source = picture(number)
      if let tiled = network.tiled[index] {
        tiled.run(
          source, stride: Geometry.planeStride(input), input, into: target, stride: Geometry.planeStride(output),
          output,
          bordered: bordered, product: product)
        return
      }
      guard let weights = network.weights[index] else { preconditionFailure("a convolution has weights") }
      let bounds = layer.normalization == nil ? layer.activation.bounds : -.infinity ... .infinity
      func multiply(
        _ packed: UnsafePointer<Float>, _ outputs: Int, bias: UnsafePointer<Float>?,
        _ offsets: UnsafeBufferPointer<Int>,
        _ input: UnsafePointer<Float>, count: Int, into result: UnsafeMutablePointer<Float>, stride: Int
      ) {
        var epilogue = style_epilogue(bias: bias, residual: nil, low: bounds.lowerBound, high: bounds.upperBound)
        kernels.gemm_f32(
          packed, outputs, offsets.baseAddress!, offsets.count, input,
          roundUp(count, toMultipleOf: kernels.vector_length), result, stride, &epilogue)
      }
      let bias = network.biases[index]?.start
      let outputStride = Geometry.planeStride(output)
      if layer.isPointwise {
        let inputStride = Geometry.planeStride(input)
        withUnsafeTemporaryAllocation(of: Int.self, capacity: input.channels) { offsets in
          for channel in 0..<input.channels { offsets[channel] = channel * inputStride }
          multiply(
            weights.start, output.channels, bias: bias, UnsafeBufferPointer(offsets), source,
            count: output.width * output.height, into: target, stride: outputStride)
        }
        return
      }
      let planes = BorderedPlanes(layer.window, upsampling: layer.upsampling, input)
      let stride = planes.productStride(output)
      let count = planes.productCount(output)
      if layer.isDepthwise {
        let taps = layer.window.rows * layer.window.columns
        planes.withOffsets(channels: 1) { offsets in
          for channel in 0..<output.channels {
            planes.fill(bordered, from: source + channel * Geometry.planeStride(input))
            multiply(
              weights.start + channel * taps, 1, bias: bias.map { $0 + channel }, offsets, bordered, count: count,
              into: product, stride: stride)
            planes.compact(product, output, into: target + channel * outputStride)
          }
        }
        return
      }
      for channel in 0..<input.channels {
        planes.fill(
          bordered + channel * planes.channelStride, from: source + channel * Geometry.planeStride(input))
      }
      planes.withOffsets(channels: input.channels) { offsets in
        multiply(
          weights.start, output.channels, bias: bias, offsets, bordered, count: count, into: product, stride: stride)
      }
      for channel in 0..<output.channels {
        planes.compact(product + channel * stride, output, into: target + channel * outputStride)
      }
    }

    private func pool(
      _ number: Int, _ window: Window, to target: UnsafeMutablePointer<Float>, _ output: PictureShape,
      _ reduce: (
        _ offsets: UnsafePointer<Int>, _ taps: Int, _ input: UnsafePointer<Float>, _ count: Int,
        _ product: UnsafeMutablePointer<Float>
      ) -> Void
    ) {
      let input = geometry.shapes[number]
      let planes = BorderedPlanes(window, upsampling: 1, input)
      let count = roundUp(planes.productCount(output), toMultipleOf: kernels.vector_length)
      planes.withOffsets(channels: 1) { offsets in
        for channel in 0..<output.channels {
          planes.fill(bordered, from: picture(number) + channel * Geometry.planeStride(input))
          reduce(offsets.baseAddress!, offsets.count, bordered, count, product)
          planes.compact(product, output, into: target + channel * Geometry.planeStride(output))
        }
      }
    }

    /// Makes means over whole windows, the border counted as zeros, those over what lies inside the picture.
    private func leaveBorderOut(
      of target: UnsafeMutablePointer<Float>, _ window: Window, _ input: PictureShape, _ output: PictureShape
    ) {
      func factor(_ position: Int, before: Int, taps: Int, side: Int) -> Float {
        let first = position * window.stride - before
        return Float(taps) / Float(min(side, first + taps) - max(0, first))
      }
      let stride = Geometry.planeStride(output)
      for row in 0..<output.height {
        let rowFactor = factor(row, before: window.padding.top, taps: window.rows, side: input.height)
        for column in 0..<output.width {
          let both =
            rowFactor * factor(column, before: window.padding.left, taps: window.columns, side: input.width)
          guard both != 1 else { continue }
          for channel in 0..<output.channels { target[channel * stride + row * output.width + column] *= both }
        }
      }
    }

    private func normalize(
      _ target: UnsafeMutablePointer<Float>, _ shape: PictureShape, stride: Int, number: Int?, activation: Activation
    ) {
      let count = shape.width * shape.height
      let bounds = activation.bounds
      for channel in 0..<shape.channels {
        let plane = target + channel * stride
        let styled = number.flatMap { network.styles?.values(style, normalization: $0, channel: channel) }
        let affine = ChannelMoments(plane, rows: shape.height, rowStride: shape.width, count: shape.width, kernels)
          .affine(scale: styled?.scale ?? 1, shift: styled?.shift ?? 0)
        kernels.affine_f32(plane, count, affine.scale, affine.shift, bounds.lowerBound, plane)
        if bounds.upperBound.isFinite {
          for index in 0..<count { plane[index] = min(plane[index], bounds.upperBound) }
        }
      }
    }

    /// Where the kernel wants three rows, it gets three parts of one.
    private func sigmoid(_ values: UnsafeMutablePointer<Float>, count: Int) {
      let part = Geometry.lineFloats / 3
      for first in Swift.stride(from: 0, to: count, by: part) {
        let length = min(part, count - first)
        let row = values + first
        kernels.sigmoid_rows_to_pixels_f32(row, row, row, length, line)
        for index in 0..<length { row[index] = line[3 * index] }
      }
    }
  }
}

extension Convolution {
  /// Reads its input where it lies.
  fileprivate var isPointwise: Bool {
    hasKernel(1) && stride == 1 && !isDepthwise && upsampling == 1 && window.padding == .none
  }
}
