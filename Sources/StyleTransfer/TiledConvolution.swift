import CStyleKernels

/// A convolution with bias and clamping on pictures whose rows follow one another, by way of Winograd tiles: for kernels of 3x3
/// and 5x5 with stride 1, where it takes far fewer multiplications than a product over shifted copies.
struct TiledConvolution: Sendable {
  private let layer: Convolution
  private let kernels: style_kernels
  private let winograd: WinogradConvolution

  /// Below this many channels on either side the transforms cost what the product saves.
  private static let leastChannels = 16

  /// The tiles that suit a layer; nil where none do.
  static func shape(for layer: Convolution) -> WinogradShape? {
    let padding = layer.window.padding
    guard layer.stride == 1, !layer.isDepthwise, layer.upsampling == 1,
      padding == .all(padding.top, padding.border),
      min(layer.inputChannels, layer.outputChannels) >= leastChannels
    else { return nil }
    if layer.hasKernel(3) { return .fourByThree }
    return layer.hasKernel(5) ? .fourByFive : nil
  }

  /// - Parameters:
  ///   - layer: its kernel is that of the shape.
  ///   - kernels: the path to run on.
  init(_ layer: Convolution, shape: WinogradShape, kernels: style_kernels) {
    self.layer = layer
    self.kernels = kernels
    winograd = WinogradConvolution(
      shape, inputChannels: layer.inputChannels, outputChannels: layer.outputChannels,
      weight: layer.weight.map(Double.init), kernels: kernels)
  }

  /// Where everything lies for one size of picture.
  struct Geometry {
    fileprivate let layout: PhaseLayout
    fileprivate let tileRows: Int
    fileprivate let productStride: Int
    fileprivate let lineFloats: Int
    /// Floats of the picture in phases.
    let borderedFloats: Int
    /// Floats of the output in phases, of the transforms, and of a row.
    let productFloats: Int
  }

  func geometry(_ input: PictureShape, _ output: PictureShape) -> Geometry {
    let step = WinogradShape.step
    let tileRows = dividedUp(output.height, by: step)
    let layout = PhaseLayout(
      width: input.width, height: input.height, border: layer.window.padding.top, step: step,
      tileColumns: dividedUp(output.width, by: step), tileRows: tileRows)
    let productStride = PhaseLayout.oddCacheLines(winograd.outputSlots(layout, tileRows: tileRows))
    // Rows are read from before their beginning, and written in whole vectors.
    let lineFloats = roundUp(input.width + output.width, toMultipleOf: 16) + 8 * 16 + 32
    return Geometry(
      layout: layout, tileRows: tileRows, productStride: productStride, lineFloats: lineFloats,
      borderedFloats: layout.count(channels: input.channels),
      productFloats: output.channels * step * step * productStride + 128 + lineFloats
        + winograd.scratchFloats(layout, tileRows: tileRows))
  }

  /// Convolves.
  ///
  /// - Parameters:
  ///   - source: a plane for each channel, `sourceStride` floats apart, rows of the input's width.
  ///   - target: the same for the output.
  ///   - bordered: as many floats as the geometry says, as for `product`.
  func run(
    _ source: UnsafePointer<Float>, stride sourceStride: Int, _ input: PictureShape,
    into target: UnsafeMutablePointer<Float>, stride targetStride: Int, _ output: PictureShape,
    bordered: UnsafeMutablePointer<Float>, product: UnsafeMutablePointer<Float>
  ) {
    let geometry = geometry(input, output)
    let layout = geometry.layout
    let step = WinogradShape.step
    let phases = output.channels * step * step * geometry.productStride + 128
    let line = product + phases + 16
    let scratch = product + phases + geometry.lineFloats
    let border: PhaseLayout.Border = layer.window.padding.border == .zeros ? .zeros : .mirrored
    for channel in 0..<input.channels {
      let plane = source + channel * sourceStride
      let destination = bordered + channel * layout.channelStride
      for row in 0..<input.height {
        line.update(from: plane + row * input.width, count: input.width)
        layout.write(line, row: row + layout.border, channel: destination, kernels: kernels)
      }
      layout.fillBorder(destination, border)
    }
    winograd.run(
      bordered, layout: layout, tileRows: geometry.tileRows, into: product, planeStride: geometry.productStride,
      masks: nil, sums: nil, scratch: scratch)
    let bounds = layer.normalization == nil ? layer.activation.bounds : -.infinity ... .infinity
    withUnsafeTemporaryAllocation(of: Int.self, capacity: step) { offsets in
      for phase in 0..<step { offsets[phase] = phase * geometry.productStride }
      for channel in 0..<output.channels {
        let bias = layer.bias?[channel] ?? 0
        for row in 0..<output.height {
          kernels.interleave4_f32(
            product + (channel * step + row % step) * step * geometry.productStride + row / step * layout.rowStride,
            offsets.baseAddress!, dividedUp(output.width, by: step), 1, bias, bounds.lowerBound, line)
          let destination = target + channel * targetStride + row * output.width
          if bounds.upperBound.isFinite {
            for column in 0..<output.width { destination[column] = min(line[column], bounds.upperBound) }
          } else {
            destination.update(from: line, count: output.width)
          }
        }
      }
    }
  }
}
