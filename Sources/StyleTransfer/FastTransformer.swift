import CStyleKernels

/// The style transformer on the vector kernels: the same numbers as the reference engine up to rounding, several times as
/// fast.
///
/// A picture passes through as phase planes (``PhaseLayout``). The stages, and what lies between them:
///
///     pixels -> [step 4] 9x9 as Winograd F(4,5) in four blocks -> [step 2] strided -> [step 2] strided
///            -> [step 4] residual blocks, Winograd F(4,3)
///            -> [step 4] upsampling, four 2x2 kernels as one Winograd F(4,2) -> [step 4] the same
///            -> [step 4] 9x9 as the first -> normalise, sigmoid -> pixels
///
/// Nearest upsampling followed by a 3x3 kernel is, for each of the four positions of an output pixel within its source
/// pixel, a 2x2 kernel on the small picture. All four read the same windows and become the output channels of one
/// convolution; mirroring the large picture at its border is repeating the border pixel of the small one.
///
/// Convolutions in front of a normalisation, but for the strided ones, leave sums and sums of squares behind; the normalisation itself happens while
/// the next layer's picture is written, together with ReLU and the residual.
final class FastTransformer: Sendable {
  private let kernels: style_kernels
  private let plan: StyleChain
  private let first: WinogradConvolution
  private let strided: [StridedConvolution]
  private let residual: [WinogradConvolution]
  private let upsampling: [WinogradConvolution]
  private let last: WinogradConvolution
  private let styles: StyleParameters

  /// - Parameters:
  ///   - plan: the layers.
  ///   - embeddingCount: length of z.
  ///   - kernels: the path to run on.
  init(_ plan: StyleChain, embeddingCount: Int, kernels: style_kernels) {
    self.kernels = kernels
    self.plan = plan
    first = Self.blocked(plan.contract[0], kernels: kernels)
    strided = plan.contract.dropFirst().map { StridedConvolution($0, kernels: kernels) }
    residual = plan.residual.flatMap { [$0.first, $0.second] }.map {
      WinogradConvolution(
        .fourByThree, inputChannels: $0.inputChannels, outputChannels: $0.outputChannels,
        weight: $0.weight.map(Double.init),
        kernels: kernels)
    }
    upsampling = plan.expand.dropLast().map { Self.upsampling($0, kernels: kernels) }
    last = Self.blocked(plan.expand[plan.expand.count - 1], kernels: kernels)
    styles = StyleParameters(plan.convolutions.compactMap(\.normalization?.style), embeddingCount: embeddingCount)
  }

  /// A kernel of any odd side as blocks of taps that begin 4 apart; the last block has five of them, the others four and a
  /// zero.
  private static func blocked(_ layer: Convolution, kernels: style_kernels) -> WinogradConvolution {
    let shape = WinogradShape.fourByFive
    let kernel = layer.window.rows
    let blocks = max(1, dividedUp(kernel - 1, by: WinogradShape.step))
    let side = shape.taps * blocks
    func place(_ tap: Int) -> Int {
      let block = min(tap / WinogradShape.step, blocks - 1)
      return block * shape.taps + tap - block * WinogradShape.step
    }
    var weight = [Double](repeating: 0, count: layer.outputChannels * layer.inputChannels * side * side)
    for pair in 0..<layer.outputChannels * layer.inputChannels {
      for row in 0..<kernel {
        for column in 0..<kernel {
          weight[(pair * side + place(row)) * side + place(column)] = Double(
            layer.weight[(pair * kernel + row) * kernel + column])
        }
      }
    }
    return WinogradConvolution(
      shape, inputChannels: layer.inputChannels, outputChannels: layer.outputChannels, blocks: blocks, weight: weight,
      kernels: kernels)
  }

  /// Output channel `(rowParity * 2 + columnParity) * channels + k` makes the pixels whose bordered row and column in the
  /// large picture have these parities: taps 0 and 1 fall on one source pixel or taps 1 and 2 do.
  private static func upsampling(_ layer: Convolution, kernels: style_kernels) -> WinogradConvolution {
    let pairs = layer.outputChannels * layer.inputChannels
    var weight = [Double](repeating: 0, count: 4 * pairs * 4)
    for phase in 0..<4 {
      for pair in 0..<pairs {
        for row in 0..<3 {
          for column in 0..<3 {
            let sourceRow = row == 1 ? phase / 2 : row / 2
            let sourceColumn = column == 1 ? phase % 2 : column / 2
            weight[((phase * pairs + pair) * 2 + sourceRow) * 2 + sourceColumn] += Double(
              layer.weight[(pair * 3 + row) * 3 + column])
          }
        }
      }
    }
    return WinogradConvolution(
      .fourByTwo, inputChannels: layer.inputChannels, outputChannels: 4 * layer.outputChannels, weight: weight,
      kernels: kernels)
  }

  /// See ``StyleEngine/stylize(_:width:height:embedding:into:workspace:)``.
  ///
  /// - Parameter observe: called with a name whenever a stage has ended.
  func run(
    _ pixels: UnsafePointer<UInt8>, width: Int, height: Int, embedding: UnsafePointer<Float>,
    into output: UnsafeMutablePointer<Float>, memory: ScratchMemory, observe: StageObserver?
  ) {
    let geometry = Geometry(self, width: width, height: height)
    let base = memory.reserve(floats: geometry.floatCount)
    Pass(self, geometry, base, observe).run(pixels, embedding: embedding, into: output)
  }
}

extension FastTransformer {
  /// Where everything lies for one size of picture.
  fileprivate struct Geometry {
    let width: Int
    let height: Int
    /// What each layer reads: the first convolution, the two strided ones, the residual blocks (and the first upsampling),
    /// the second upsampling, the last convolution.
    let layouts: [PhaseLayout]
    /// Floats from one phase to the next in what each of them writes.
    let planeStrides: [Int]
    /// Rows of tiles that each of them computes.
    let tileRows: [Int]
    let pictureFloats: Int
    let residualFloats: Int
    let productFloats: Int
    let scratchFloats: Int
    let maskWords: Int
    let lineFloats: Int
    let styleFloats: Int

    static let input = 0
    static let strided = 1
    static let residual = 3
    static let firstUpsampling = 4
    static let secondUpsampling = 5
    static let last = 6

    init(_ network: FastTransformer, width: Int, height: Int) {
      self.width = width
      self.height = height
      let vector = network.kernels.vector_length
      var layouts: [PhaseLayout] = []
      var tileRows: [Int] = []
      var planeStrides: [Int] = []
      var pictures = 0
      var products = 0
      var scratch = 0

      func add(_ layout: PhaseLayout, rows: Int, channels: Int, planes: Int, winograd: WinogradConvolution?) {
        let planeStride = PhaseLayout.oddCacheLines(roundUp(rows * layout.rowStride, toMultipleOf: vector))
        layouts.append(layout)
        tileRows.append(rows)
        planeStrides.append(planeStride)
        pictures = max(pictures, layout.count(channels: channels))
        products = max(products, planes * planeStride + width + 128)
        if let winograd { scratch = max(scratch, winograd.scratchFloats(layout, tileRows: rows)) }
      }

      func addBlocked(_ layer: WinogradConvolution, border: Int) {
        let rows = dividedUp(height, by: 4)
        add(
          PhaseLayout(
            width: width, height: height, border: border, step: 4,
            tileColumns: dividedUp(width, by: 4) + layer.blocks - 1, tileRows: rows + layer.blocks - 1),
          rows: rows, channels: layer.inputChannels, planes: 16 * layer.outputChannels, winograd: layer)
      }

      let plan = network.plan
      addBlocked(network.first, border: plan.contract[0].window.rows / 2)
      for index in 0..<2 {
        let layer = network.strided[index].layer
        let scale = 1 << index
        let rows = height / scale / 2
        add(
          PhaseLayout(
            width: width / scale, height: height / scale, border: 1, step: 2, tileColumns: width / scale / 2,
            tileRows: rows),
          rows: rows, channels: layer.inputChannels, planes: layer.outputChannels, winograd: nil)
      }
      // The residual blocks and the first upsampling read the same picture; the latter has one tile position more.
      let small = PhaseLayout(
        width: width / 4, height: height / 4, border: 1, step: 4, tileColumns: dividedUp(width / 4 + 1, by: 4),
        tileRows: dividedUp(height / 4 + 1, by: 4))
      let channels = plan.contract[2].outputChannels
      add(
        small, rows: dividedUp(height / 4, by: 4), channels: channels, planes: 16 * channels,
        winograd: network.residual.first)
      for index in 0..<2 {
        let layer = network.upsampling[index]
        let scale = 4 >> index
        let side = (width: width / scale, height: height / scale)
        let rows = dividedUp(side.height + 1, by: 4)
        let layout =
          index == 0
          ? small
          : PhaseLayout(
            width: side.width, height: side.height, border: 1, step: 4, tileColumns: dividedUp(side.width + 1, by: 4),
            tileRows: rows)
        add(
          layout, rows: rows, channels: layer.inputChannels, planes: 16 * layer.outputChannels, winograd: layer)
      }
      addBlocked(network.last, border: plan.expand[2].window.rows / 2)

      self.layouts = layouts
      self.tileRows = tileRows
      self.planeStrides = planeStrides
      pictureFloats = roundUp(pictures, toMultipleOf: 16)
      residualFloats = roundUp(small.count(channels: channels), toMultipleOf: 16)
      productFloats = roundUp(products, toMultipleOf: 16)
      scratchFloats = roundUp(scratch, toMultipleOf: 16)
      maskWords = roundUp(
        max(
          network.plan.contract[0].normalization == nil ? 0 : 16 * planeStrides[Self.input],
          16 * planeStrides[Self.residual], 64 * planeStrides[Self.secondUpsampling], 16 * planeStrides[Self.last]
        ),
        toMultipleOf: 16)
      // Whole vectors are written to lines, and read before and after them.
      lineFloats = roundUp(width, toMultipleOf: 4 * vector) + 128
      styleFloats = network.styles.count
    }

    var floatCount: Int {
      pictureFloats + residualFloats + productFloats + scratchFloats + maskWords + 3 * lineFloats + styleFloats
    }
  }

  /// One picture on its way through the network.
  fileprivate struct Pass {
    let network: FastTransformer
    let geometry: Geometry
    let kernels: style_kernels
    /// What the layer at hand reads.
    let picture: UnsafeMutablePointer<Float>
    /// What lies between the two convolutions of a residual block.
    let inner: UnsafeMutablePointer<Float>
    /// What the layer at hand writes.
    let product: UnsafeMutablePointer<Float>
    let scratch: UnsafeMutablePointer<Float>
    let masks: UnsafeMutablePointer<UInt32>
    let lines: UnsafeMutablePointer<Float>
    let style: UnsafeMutablePointer<Float>
    let observe: StageObserver?

    init(
      _ network: FastTransformer, _ geometry: Geometry, _ base: UnsafeMutablePointer<Float>, _ observe: StageObserver?
    ) {
      self.observe = observe
      self.network = network
      self.geometry = geometry
      kernels = network.kernels
      picture = base
      inner = picture + geometry.pictureFloats
      product = inner + geometry.residualFloats
      scratch = product + geometry.productFloats
      lines = scratch + geometry.scratchFloats
      style = lines + 3 * geometry.lineFloats
      masks = UnsafeMutableRawPointer(style + geometry.styleFloats).bindMemory(
        to: UInt32.self, capacity: geometry.maskWords)
    }

    func run(_ pixels: UnsafePointer<UInt8>, embedding: UnsafePointer<Float>, into output: UnsafeMutablePointer<Float>)
    {
      network.styles.evaluate(embedding, into: style)
      observe?("scales and shifts")
      contract(pixels)
      var normalization = 0
      let blocks = network.residual.count / 2
      for block in 0..<blocks {
        residual(block, normalization: normalization, isLast: block == blocks - 1)
        normalization += 2
      }
      expand(normalization: normalization, into: output)
    }

    /// Room for one row, with room before it.
    private func line(_ index: Int) -> UnsafeMutablePointer<Float> { lines + index * geometry.lineFloats + 16 }

    // Contracting half ----------------------------------------------------------------------------------------------

    private func contract(_ pixels: UnsafePointer<UInt8>) {
      let layouts = geometry.layouts
      let layout = layouts[Geometry.input]
      for row in 0..<layout.height {
        kernels.pixels_to_rows_f32(pixels + 3 * row * layout.width, layout.width, line(0), line(1), line(2))
        for channel in 0..<3 {
          layout.write(
            line(channel), row: row + layout.border, channel: picture + channel * layout.channelStride, kernels: kernels
          )
        }
      }
      for channel in 0..<3 { layout.fillBorder(picture + channel * layout.channelStride, .mirrored) }
      observe?("pixels to planes")
      let first = network.plan.contract[0]
      let half = layouts[Geometry.strided]
      let stride = geometry.planeStrides[Geometry.input]
      func write(_ channel: Int, scale: Float, shift: Float, _ phases: UnsafeBufferPointer<Int>) {
        let target = picture + channel * half.channelStride
        for row in 0..<half.height {
          half.write(
            phasesOf: product + (channel * 16 + row % 4 * 4) * stride + row / 4 * layout.rowStride,
            phases, count: dividedUp(half.width, by: 4), firstColumn: 1, scale: scale, shift: shift, row: row + 1,
            channel: target, kernels: kernels)
        }
        half.fillBorder(target, .mirrored)
      }
      withUnsafeTemporaryAllocation(of: Int.self, capacity: 4) { phases in
        for phase in 0..<4 { phases[phase] = phase * stride }
        let phases = UnsafeBufferPointer(phases)
        if let bias = first.bias {
          network.first.run(
            picture, layout: layout, tileRows: geometry.tileRows[Geometry.input], into: product, planeStride: stride,
            masks: nil, sums: nil, scratch: scratch)
          observe?(first.name)
          for channel in 0..<network.first.outputChannels {
            write(channel, scale: 1, shift: bias[channel], phases)
          }
          observe?(first.name + " to the next layer")
        } else {
          fillMasks(
            planes: stride, layout: layout, rows: geometry.tileRows[Geometry.input], sets: 1
          ) { _, phase, tile in 4 * tile + phase }
          normalizing(
            network.first, named: first.name, stage: Geometry.input, normalization: nil, sets: 1, input: picture
          ) { affine in
            for channel in 0..<network.first.outputChannels {
              let (scale, shift) = affine(channel)
              write(channel, scale: scale, shift: shift, phases)
            }
          }
        }
      }
      for index in 0..<2 {
        let stage = Geometry.strided + index
        let layer = network.strided[index]
        layer.run(
          picture, layout: layouts[stage], into: product, planeStride: geometry.planeStrides[stage],
          rows: geometry.tileRows[stage])
        observe?(layer.layer.name)
        let target = layouts[stage + 1]
        for channel in 0..<layer.layer.outputChannels {
          let source = product + channel * geometry.planeStrides[stage]
          if layer.layer.normalization != nil {
            let rowStride = layouts[stage].rowStride
            let affine = ChannelMoments(
              source, rows: target.height, rowStride: rowStride, count: target.width, kernels
            ).affine(scale: 1, shift: 0)
            kernels.affine_f32(source, target.height * rowStride, affine.scale, affine.shift, 0, source)
          }
          let destination = picture + channel * target.channelStride
          for row in 0..<target.height {
            target.write(
              source + row * layouts[stage].rowStride, row: row + 1, channel: destination, kernels: kernels)
          }
          target.fillBorder(destination, index == 1 && network.residual.isEmpty ? .repeated : .mirrored)
        }
        observe?(layer.layer.name + " to the next layer")
      }
    }

    // Residual blocks -----------------------------------------------------------------------------------------------

    private func residual(_ block: Int, normalization: Int, isLast: Bool) {
      let stage = Geometry.residual
      let layout = geometry.layouts[stage]
      let stride = geometry.planeStrides[stage]
      let slots = geometry.tileRows[stage] * layout.rowStride
      if block == 0 {
        fillMasks(planes: stride, layout: layout, rows: geometry.tileRows[stage], sets: 1) { _, phase, tile in
          4 * tile + phase
        }
      }
      for half in 0..<2 {
        let source = half == 0 ? picture : inner
        let target = half == 0 ? inner : picture
        let channels = network.residual[2 * block + half].outputChannels
        normalizing(
          network.residual[2 * block + half], named: "transformer.residual", stage: stage,
          normalization: normalization + half, sets: 1, input: source
        ) { affine in
          for channel in 0..<channels {
            let (scale, shift) = affine(channel)
            for phase in 0..<16 {
              // The picture begins one pixel inside its border.
              let row = phase / 4 + 1
              let column = phase % 4 + 1
              let from = product + (channel * 16 + phase) * stride
              let to =
                target + channel * layout.channelStride + (row % 4 * 4 + column % 4) * layout.planeStride
                + row / 4 * layout.rowStride + column / 4
              if half == 0 {
                kernels.affine_f32(from, slots, scale, shift, 0, to)
              } else {
                kernels.add_affine_f32(from, slots, scale, shift, to)
              }
            }
            layout.fillBorder(
              target + channel * layout.channelStride, half == 1 && isLast ? .repeated : .mirrored)
          }
        }
      }
    }

    // Normalisation -------------------------------------------------------------------------------------------------

    /// Runs a convolution and hands over how to normalise each of its channels: `scale x + shift`.
    ///
    /// - Parameter normalization: its number among those that depend on the style; nil for one that does not.
    private func normalizing(
      _ layer: WinogradConvolution, named name: String, stage: Int, normalization: Int?, sets: Int,
      input: UnsafeMutablePointer<Float>, use: ((Int) -> (scale: Float, shift: Float)) -> Void
    ) {
      let channels = layer.outputChannels / sets
      let layout = geometry.layouts[stage]
      let pixels = layout.width * layout.height * sets
      withUnsafeTemporaryAllocation(of: Double.self, capacity: 2 * layer.outputChannels) { sums in
        sums.initialize(repeating: 0)
        layer.run(
          input, layout: layout, tileRows: geometry.tileRows[stage], into: product,
          planeStride: geometry.planeStrides[stage], masks: masks, maskSets: sets, sums: sums.baseAddress!,
          scratch: scratch)
        observe?(name)
        use { channel in
          var sum = 0.0
          var squares = 0.0
          for set in 0..<sets {
            sum += sums[2 * (set * channels + channel)]
            squares += sums[2 * (set * channels + channel) + 1]
          }
          let styled = normalization.map {
            network.styles.values(style, normalization: $0, channel: channel)
          }
          return ChannelMoments(sum: sum, squares: squares, count: pixels).affine(
            scale: styled?.scale ?? 1, shift: styled?.shift ?? 0)
        }
        observe?(name + " to the next layer")
      }
    }

    /// Marks the slots of output planes that hold pixels.
    ///
    /// - Parameter position: the pixel (row or column, counted from 0) of a set's parity, a phase and a tile.
    private func fillMasks(
      planes: Int, layout: PhaseLayout, rows: Int, sets: Int, position: (Int, Int, Int) -> Int
    ) {
      let scale = sets == 4 ? 2 : 1
      for set in 0..<sets {
        for phase in 0..<16 {
          let mask = masks + (set * 16 + phase) * planes
          mask.update(repeating: 0, count: planes)
          // The columns that hold pixels are neighbours.
          var first = 0
          while first < layout.rowStride && position(set % 2, phase % 4, first) < 0 { first += 1 }
          var count = 0
          while first + count < layout.rowStride
            && position(set % 2, phase % 4, first + count) < scale * layout.width
          { count += 1 }
          for row in 0..<rows
          where (0..<scale * layout.height).contains(position(set / 2, phase / 4, row)) {
            (mask + row * layout.rowStride + first).update(repeating: .max, count: count)
          }
        }
      }
    }

    // Expanding half ------------------------------------------------------------------------------------------------

    private func expand(normalization: Int, into output: UnsafeMutablePointer<Float>) {
      for index in 0..<2 {
        let stage = Geometry.firstUpsampling + index
        let layout = geometry.layouts[stage]
        let stride = geometry.planeStrides[stage]
        fillMasks(planes: stride, layout: layout, rows: geometry.tileRows[stage], sets: 4) {
          parity, phase, tile in 2 * (4 * tile + phase) + parity - 1
        }
        let layer = network.upsampling[index]
        let channels = layer.outputChannels / 4
        normalizing(
          layer, named: network.plan.expand[index].name, stage: stage, normalization: normalization + index, sets: 4,
          input: picture
        ) { affine in
          let target = geometry.layouts[stage + 1]
          withUnsafeTemporaryAllocation(of: Int.self, capacity: 8) { phases in
            for phase in 0..<8 { phases[phase] = phase % 2 * channels * 16 * stride + phase / 2 * stride }
            for channel in 0..<channels {
              let (scale, shift) = affine(channel)
              let destination = picture + channel * target.channelStride
              for row in 0..<target.height {
                // Positions in the large picture are counted from one pixel before it.
                let position = row + 1
                let tile = position / 2
                let source =
                  product + (position % 2 * 2 * channels + channel) * 16 * stride + tile % 4 * 4 * stride
                  + tile / 4 * layout.rowStride
                target.write(
                  phasesOf: source, UnsafeBufferPointer(phases), count: dividedUp(layout.width + 1, by: 4),
                  firstColumn: target.border - 1, scale: scale, shift: shift, row: row + target.border,
                  channel: destination, kernels: kernels)
              }
              target.fillBorder(destination, index == 0 ? .repeated : .mirrored)
            }
          }
        }
      }
      finish(normalization: normalization + 2, into: output)
    }

    private func finish(normalization: Int, into output: UnsafeMutablePointer<Float>) {
      let stage = Geometry.last
      let layout = geometry.layouts[stage]
      let stride = geometry.planeStrides[stage]
      fillMasks(planes: stride, layout: layout, rows: geometry.tileRows[stage], sets: 1) { _, phase, tile in
        4 * tile + phase
      }
      normalizing(
        network.last, named: network.plan.expand[2].name, stage: stage, normalization: normalization, sets: 1,
        input: picture
      ) { affine in
        let affines = (affine(0), affine(1), affine(2))
        withUnsafeTemporaryAllocation(of: Int.self, capacity: 4) { phases in
          for phase in 0..<4 { phases[phase] = phase * stride }
          for row in 0..<layout.height {
            for (channel, affine) in [(0, affines.0), (1, affines.1), (2, affines.2)] {
              kernels.interleave4_f32(
                product + (channel * 16 + row % 4 * 4) * stride + row / 4 * layout.rowStride, phases.baseAddress!,
                dividedUp(layout.width, by: 4), affine.scale, affine.shift, -.infinity, line(channel))
            }
            kernels.sigmoid_rows_to_pixels_f32(line(0), line(1), line(2), layout.width, output + 3 * row * layout.width)
          }
        }
      }
    }
  }
}
