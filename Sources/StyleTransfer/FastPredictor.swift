import CStyleKernels

/// The style predictor on the vector kernels.
///
/// A picture is one plane of floats for each channel, rows one after the other. A block runs in bands of rows: the widened
/// picture, six times as large as what goes in, exists only for a band that fits the second-level cache. Rows that the next
/// band needs too are kept.
final class FastPredictor: Sendable {
  private let plan: InvertedResidualChain
  private let kernels: style_kernels
  private let stem: StridedConvolution
  private let blocks: [Block]
  private let head: PointwiseConvolution
  private let mean: MeanEmbedding
  private let geometry: Geometry

  private struct Block: Sendable {
    let expand: PointwiseConvolution?
    let depthwise: Convolution
    /// Nine for each channel.
    let depthwiseWeights: AlignedFloats
    let depthwiseBias: AlignedFloats
    let project: PointwiseConvolution
    let addsInput: Bool

    init(_ block: InvertedResidual, kernels: style_kernels) {
      expand = block.expand.map { PointwiseConvolution($0, kernels: kernels) }
      depthwise = block.depthwise
      depthwiseWeights = AlignedFloats(block.depthwise.weight)
      depthwiseBias = AlignedFloats(block.depthwise.bias ?? [])
      project = PointwiseConvolution(block.project, kernels: kernels)
      addsInput = block.addsInput
    }
  }

  /// - Parameters:
  ///   - plan: the layers.
  ///   - kernels: the path to run on.
  init(_ plan: InvertedResidualChain, kernels: style_kernels) {
    self.plan = plan
    self.kernels = kernels
    stem = StridedConvolution(plan.stem, kernels: kernels)
    blocks = plan.blocks.map { Block($0, kernels: kernels) }
    head = PointwiseConvolution(plan.head, kernels: kernels)
    mean = MeanEmbedding(plan.embedding, kernels: kernels)
    geometry = Geometry(plan, vector: kernels.vector_length)
  }

  /// See ``StyleEngine/embed(_:into:workspace:)``.
  ///
  /// - Parameter observe: called with a name whenever a stage has ended.
  func run(
    _ pixels: UnsafePointer<UInt8>, into embedding: UnsafeMutablePointer<Float>, memory: ScratchMemory,
    observe: StageObserver?
  ) {
    let base = memory.reserve(floats: geometry.floatCount)
    let pictures = (base, base + geometry.pictureFloats)
    let inner = pictures.1 + geometry.pictureFloats
    let filtered = inner + geometry.innerFloats
    let masks = UnsafeMutableRawPointer(filtered + geometry.filteredFloats).bindMemory(
      to: UInt32.self, capacity: 2 * geometry.maskWords)

    readPixels(pixels, into: pictures.1, line: inner)
    observe?("pixels to planes")
    let layout = geometry.stemInput
    stem.run(
      pictures.1, layout: layout, into: pictures.0, planeStride: geometry.pictures[0].planeStride,
      rows: geometry.pictures[0].height)

    observe?(plan.stem.name)
    var source = pictures.0
    var target = pictures.1
    for (index, block) in blocks.enumerated() {
      run(
        block, from: source, geometry.pictures[index], to: target, geometry.pictures[index + 1],
        band: geometry.bands[index], inner: inner, filtered: filtered, masks: masks, observe: observe)
      swap(&source, &target)
    }
    finish(source, spare: target, into: embedding)
    observe?(plan.head.name + " and embedding")
  }

  /// Pixels to phase planes, with the column and the row of zeros that lie after them.
  private func readPixels(
    _ pixels: UnsafePointer<UInt8>, into planes: UnsafeMutablePointer<Float>, line: UnsafeMutablePointer<Float>
  ) {
    let layout = geometry.stemInput
    let lineStride = Geometry.lineStride(layout)
    for row in 0..<layout.height {
      kernels.pixels_to_rows_f32(
        pixels + 3 * row * layout.width, layout.width, line, line + lineStride, line + 2 * lineStride)
      for channel in 0..<3 {
        layout.write(
          line + channel * lineStride, row: row, channel: planes + channel * layout.channelStride, kernels: kernels)
      }
    }
    for channel in 0..<3 { layout.fillBorder(planes + channel * layout.channelStride, .zeros) }
  }

  private func run(
    _ block: Block, from source: UnsafePointer<Float>, _ input: Picture, to target: UnsafeMutablePointer<Float>,
    _ output: Picture, band: Int, inner: UnsafeMutablePointer<Float>, filtered: UnsafeMutablePointer<Float>,
    masks: UnsafeMutablePointer<UInt32>, observe: StageObserver?
  ) {
    let layer = block.depthwise
    let vector = kernels.vector_length
    let stride = layer.stride
    let channels = layer.outputChannels
    // TensorFlow's "SAME": with stride 2 on an even side, nothing before and one after.
    let before = stride == 1 ? 1 : 0
    let bandSlots = Geometry.bandSlots(input, rows: band, stride: stride, vector: vector)
    let filteredSlots = roundUp(band * output.rowStride, toMultipleOf: vector)
    let filteredStride = PhaseLayout.oddCacheLines(filteredSlots + vector)
    let bounds = layer.activation.bounds
    let left = masks
    let right = masks + geometry.maskWords
    fillMasks(left: left, right: right, output, count: filteredSlots + vector)

    // Rows of the widened picture that are in the band already.
    var ready = 0
    for first in Swift.stride(from: 0, to: output.height, by: band) {
      let rows = min(band, output.height - first)
      let top = stride * first - before
      let bottom = stride * (first + rows - 1) - before + 3
      let last = min(bottom, input.height)
      if first > 0 {
        // What the last band ended with is what this one begins with.
        let shift = stride * band * input.rowStride
        for channel in 0..<channels {
          let plane = inner + 16 + channel * bandSlots
          plane.update(from: plane + shift, count: (ready - top) * input.rowStride)
        }
      } else if before > 0 {
        for channel in 0..<channels {
          (inner + 16 + channel * bandSlots).update(repeating: 0, count: before * input.rowStride)
        }
      }
      let widened = inner + 16 + (ready - top) * input.rowStride
      let count = (last - ready) * input.rowStride
      if let expand = block.expand {
        expand.run(
          source + ready * input.rowStride, stride: input.planeStride, count: roundUp(count, toMultipleOf: vector),
          into: widened, stride: bandSlots, residual: nil)
      } else {
        for channel in 0..<channels {
          (widened + channel * bandSlots).update(
            from: source + channel * input.planeStride + ready * input.rowStride, count: count)
        }
      }
      ready = last
      observe?(block.expand?.name ?? "copies")
      for channel in 0..<channels {
        let plane = inner + 16 + channel * bandSlots
        if bottom > last {
          (plane + (last - top) * input.rowStride).update(repeating: 0, count: (bottom - last) * input.rowStride)
        }
        let weights = block.depthwiseWeights.start + 9 * channel
        let bias = block.depthwiseBias.start[channel]
        let destination = filtered + channel * filteredStride
        if stride == 1 {
          kernels.depthwise3_stride1_f32(
            plane, input.rowStride, rows, weights, left, right, bias, bounds.lowerBound, bounds.upperBound, destination)
        } else {
          for row in 0..<rows {
            kernels.depthwise3_stride2_f32(
              plane + 2 * row * input.rowStride, input.rowStride, output.width, weights, right, bias,
              bounds.lowerBound, bounds.upperBound, destination + row * output.rowStride)
          }
        }
      }
      observe?(layer.name)
      block.project.run(
        filtered, stride: filteredStride, count: roundUp(rows * output.rowStride, toMultipleOf: vector),
        into: target + first * output.rowStride, stride: output.planeStride,
        residual: block.addsInput ? source + first * output.rowStride : nil)
      observe?(block.project.name)
    }
  }

  /// Zero where an output has no neighbour on that side.
  private func fillMasks(
    left: UnsafeMutablePointer<UInt32>, right: UnsafeMutablePointer<UInt32>, _ picture: Picture, count: Int
  ) {
    left.update(repeating: .max, count: count)
    right.update(repeating: .max, count: count)
    for row in Swift.stride(from: 0, to: count, by: picture.rowStride) { left[row] = 0 }
    for row in Swift.stride(from: picture.width - 1, to: count, by: picture.rowStride) { right[row] = 0 }
  }

  /// The last convolution, the mean over the picture, and the map to z.
  private func finish(
    _ source: UnsafePointer<Float>, spare: UnsafeMutablePointer<Float>, into embedding: UnsafeMutablePointer<Float>
  ) {
    let picture = geometry.pictures[blocks.count]
    let channels = plan.head.outputChannels
    let means = spare + channels * picture.planeStride
    head.run(
      source, stride: picture.planeStride,
      count: roundUp(picture.height * picture.rowStride, toMultipleOf: kernels.vector_length), into: spare,
      stride: picture.planeStride, residual: nil)
    if picture.rowStride != picture.width {
      for channel in 0..<channels {
        let plane = spare + channel * picture.planeStride
        for row in 1..<picture.height {
          (plane + row * picture.width).update(from: plane + row * picture.rowStride, count: picture.width)
        }
      }
    }
    mean.apply(
      to: spare, planeStride: picture.planeStride, count: picture.height * picture.width, scratch: means,
      into: embedding)
  }
}

extension FastPredictor {
  /// How a picture between two blocks lies in memory.
  fileprivate struct Picture {
    let width: Int
    let height: Int
    /// Floats from one row to the next; what lies past the width is not part of the picture.
    let rowStride: Int
    /// Floats from one channel to the next.
    let planeStride: Int

    init(width: Int, height: Int, rowStride: Int, vector: Int) {
      self.width = width
      self.height = height
      self.rowStride = rowStride
      // The last rows of a band may be written in whole vectors, past their end.
      planeStride = PhaseLayout.oddCacheLines(height * rowStride + vector)
    }
  }

  /// Where everything lies; a model has one input size.
  fileprivate struct Geometry {
    let stemInput: PhaseLayout
    /// After the stem and after each block.
    let pictures: [Picture]
    /// Output rows of each block that are computed together.
    let bands: [Int]
    let pictureFloats: Int
    let innerFloats: Int
    let filteredFloats: Int
    let maskWords: Int

    /// A band's widened rows and what the filter makes of them should stay in the second-level cache.
    private static let cachedFloats = 128 * 1024

    init(_ plan: InvertedResidualChain, vector: Int) {
      let half = plan.side / 2
      // The row stride leaves room for the column of zeros after the picture.
      let stemInput = PhaseLayout(
        width: plan.side, height: plan.side, border: 0, step: 2, tileColumns: half + 1, tileRows: half)
      self.stemInput = stemInput
      var picture = Picture(width: half, height: half, rowStride: stemInput.rowStride, vector: vector)
      var pictures = [picture]
      var bands: [Int] = []
      var pictureFloats = max(
        stemInput.count(channels: 3), plan.stem.outputChannels * picture.planeStride)
      var innerFloats = 3 * Self.lineStride(stemInput)
      var filteredFloats = 0
      var maskWords = 0
      for block in plan.blocks {
        let layer = block.depthwise
        let width = picture.width / layer.stride
        let output = Picture(
          width: width, height: picture.height / layer.stride,
          rowStride: layer.stride == 1 ? picture.rowStride : width, vector: vector)
        let rowFloats = layer.outputChannels * (layer.stride * picture.rowStride + output.rowStride)
        // Two rows are kept from band to band, and the depthwise kernel likes four new ones at once.
        let band = min(output.height, max(4, Self.cachedFloats / rowFloats / 4 * 4))
        let slots = roundUp(band * output.rowStride, toMultipleOf: vector)
        bands.append(band)
        pictureFloats = max(pictureFloats, block.project.outputChannels * output.planeStride)
        innerFloats = max(
          innerFloats,
          layer.outputChannels * Self.bandSlots(picture, rows: band, stride: layer.stride, vector: vector))
        filteredFloats = max(filteredFloats, layer.outputChannels * PhaseLayout.oddCacheLines(slots + vector))
        maskWords = max(maskWords, slots + vector)
        pictures.append(output)
        picture = output
      }
      let head = plan.head.outputChannels
      pictureFloats = max(
        pictureFloats,
        head * picture.planeStride + MeanEmbedding.scratchFloats(plan.embedding))
      self.pictures = pictures
      self.bands = bands
      // Vectors read past what they use; see the kernels.
      let slack = 2 * (stemInput.rowStride + 64)
      self.pictureFloats = roundUp(pictureFloats + slack, toMultipleOf: 16)
      self.innerFloats = roundUp(innerFloats + slack, toMultipleOf: 16)
      self.filteredFloats = roundUp(filteredFloats + slack, toMultipleOf: 16)
      self.maskWords = roundUp(maskWords + vector, toMultipleOf: 16)
    }

    var floatCount: Int { 2 * pictureFloats + innerFloats + filteredFloats + 2 * maskWords }

    /// Room for one row of pixels, read in whole vectors.
    static func lineStride(_ layout: PhaseLayout) -> Int { roundUp(layout.width + 64, toMultipleOf: 16) }

    /// Floats from one channel to the next in a band of the widened picture for `rows` output rows.
    static func bandSlots(_ input: Picture, rows: Int, stride: Int, vector: Int) -> Int {
      PhaseLayout.oddCacheLines((stride * (rows - 1) + 3) * input.rowStride + vector)
    }
  }
}

/// A 1x1 convolution with bias, clamping and, if wanted, a residual: one matrix product.
struct PointwiseConvolution: Sendable {
  private let layer: Convolution
  private let kernels: style_kernels
  private let weights: AlignedFloats
  private let bias: AlignedFloats

  var name: String { layer.name }

  /// - Parameters:
  ///   - layer: 1x1, stride 1.
  ///   - kernels: the path to run on.
  init(_ layer: Convolution, kernels: style_kernels) {
    precondition(layer.hasKernel(1) && layer.stride == 1 && !layer.isDepthwise && layer.normalization == nil)
    self.layer = layer
    self.kernels = kernels
    weights = AlignedFloats(count: layer.weight.count) { packed in
      layer.weight.withUnsafeBufferPointer {
        kernels.pack_rows_f32($0.baseAddress!, layer.outputChannels, layer.inputChannels, packed)
      }
    }
    bias = AlignedFloats(layer.bias ?? [Float](repeating: 0, count: layer.outputChannels))
  }

  /// - Parameters:
  ///   - input: one plane for each input channel, `inputStride` floats apart.
  ///   - count: elements of each plane: whole vectors.
  ///   - output: one plane for each output channel, `outputStride` floats apart.
  ///   - residual: added after clamping; laid out like the output.
  func run(
    _ input: UnsafePointer<Float>, stride inputStride: Int, count: Int, into output: UnsafeMutablePointer<Float>,
    stride outputStride: Int, residual: UnsafePointer<Float>?
  ) {
    withUnsafeTemporaryAllocation(of: Int.self, capacity: layer.inputChannels) { offsets in
      for channel in 0..<layer.inputChannels { offsets[channel] = channel * inputStride }
      let bounds = layer.activation.bounds
      var epilogue = style_epilogue(
        bias: bias.start, residual: residual, low: bounds.lowerBound, high: bounds.upperBound)
      kernels.gemm_fused_f32(
        weights.start, layer.outputChannels, offsets.baseAddress!, layer.inputChannels, input, count, output,
        outputStride, &epilogue)
    }
  }
}
