import CStyleKernels

/// The style transformer whose ends work on patches, in whole numbers: the same bytes on every processor.
///
///     pixels -> patches of 4x4, 48 channels -> 3x3 -> 3x3 -> residual blocks -> 3x3 -> 3x3 -> patches -> sigmoid -> pixels
///
/// Everything happens at a quarter of the side. Between two convolutions numbers are levels (``IntegerConvolution``), whose
/// step is chosen for each picture from the largest number there is, so nothing is ever clipped. What the residual blocks
/// add to stays in float32.
///
/// Two facts make the steps cheap. A convolution leaves the least and the greatest of each channel behind, and a normalisation
/// is monotonic, so its largest number is known before it is carried out. And a normalisation divides by the deviation, so the
/// steps in front of it matter only where they meet its epsilon.
final class PatchTransformer: Sendable {
  private let kernels: style_integer_kernels
  private let contract: [IntegerConvolution]
  private let biases: [[Float]]
  private let residual: [IntegerConvolution]
  private let expand: [IntegerConvolution]
  private let styles: StyleParameters
  private let names: (contract: [String], residual: String, expand: [String])

  /// Width and height of a patch in pixels.
  static let side = 4
  /// Numbers of a patch.
  static let channels = 48

  /// - Parameters:
  ///   - plan: the layers; channels in the order of the model file.
  ///   - embeddingCount: length of z.
  ///   - kernels: the path to run on.
  init(_ plan: PatchTransformerPlan, embeddingCount: Int, kernels: style_integer_kernels) {
    self.kernels = kernels
    contract = plan.contract.enumerated().map { index, layer in
      IntegerConvolution(
        inputChannels: layer.inputChannels, outputChannels: layer.outputChannels,
        weight: index == 0 ? Self.inPixelOrder(inputsOf: layer) : layer.weight)
    }
    biases = plan.contract.map { $0.bias ?? [] }
    residual = plan.residual.flatMap { [$0.first, $0.second] }.map {
      IntegerConvolution(inputChannels: $0.inputChannels, outputChannels: $0.outputChannels, weight: $0.weight)
    }
    expand = plan.expand.enumerated().map { index, layer in
      IntegerConvolution(
        inputChannels: layer.inputChannels, outputChannels: layer.outputChannels,
        weight: index == 1 ? Self.inPixelOrder(outputsOf: layer) : layer.weight)
    }
    styles = StyleParameters(plan.convolutions.compactMap(\.normalization), embeddingCount: embeddingCount)
    names = (plan.contract.map(\.name), "transformer.residual", plan.expand.map(\.name))
  }

  /// Where the number of a patch for a colour, row and column is in the model file, in the order in which pixels lie in memory.
  private static let filePlaces: [Int] = (0..<channels).map { place in
    place % 3 * side * side + place / 3
  }

  /// A kernel that reads patches in the order in which pixels lie in memory, from one that reads PyTorch's `pixel_unshuffle`.
  private static func inPixelOrder(inputsOf layer: Convolution) -> [Float] {
    (0..<layer.outputChannels).flatMap { output in
      filePlaces.flatMap { place in layer.weight[((output * channels + place) * 9)...].prefix(9) }
    }
  }

  /// A kernel that writes patches in the order in which pixels lie in memory.
  private static func inPixelOrder(outputsOf layer: Convolution) -> [Float] {
    let size = layer.inputChannels * 9
    return filePlaces.flatMap { place in layer.weight[(place * size)...].prefix(size) }
  }

  /// See ``StyleEngine/stylize(_:width:height:embedding:into:workspace:)``.
  ///
  /// - Parameter observe: called with a name whenever a stage has ended.
  func run(
    _ pixels: UnsafePointer<UInt8>, width: Int, height: Int, embedding: UnsafePointer<Float>,
    into output: UnsafeMutablePointer<Float>, memory: ScratchMemory, observe: StageObserver?
  ) {
    Pass(self, width: width / Self.side, height: height / Self.side, memory, observe)
      .run(pixels, embedding: embedding, into: output)
  }
}

extension PatchTransformer {
  /// One picture on its way through the network. Sides are those of the picture in patches.
  fileprivate struct Pass {
    let network: PatchTransformer
    let kernels: style_integer_kernels
    let width: Int
    let height: Int
    let observe: StageObserver?
    /// What the convolution at hand reads.
    let levels: UnsafeMutablePointer<Int16>
    /// What it writes.
    let sums: UnsafeMutablePointer<Float>
    let statistics: style_statistics
    /// What the residual blocks add to.
    let feature: UnsafeMutablePointer<Float>
    let scale: UnsafeMutablePointer<Float>
    let shift: UnsafeMutablePointer<Float>
    let style: UnsafeMutablePointer<Float>
    let scratch: UnsafeMutableRawPointer

    init(_ network: PatchTransformer, width: Int, height: Int, _ memory: ScratchMemory, _ observe: StageObserver?) {
      self.network = network
      kernels = network.kernels
      self.width = width
      self.height = height
      self.observe = observe
      let layers = network.contract + network.residual + network.expand
      let channels = layers.reduce(PatchTransformer.channels) { max($0, $1.outputChannels) }
      let columns = roundUp(width, toMultipleOf: 4)
      let rows = roundUp(height, toMultipleOf: 4)
      let features = network.contract[network.contract.count - 1].outputChannels

      var room = 0
      func part(_ bytes: Int) -> Int {
        defer { room += roundUp(bytes, toMultipleOf: ScratchMemory.alignment) }
        return room
      }
      let levelsAt = part((rows + 2) * (columns + 2) * channels * 2)
      let sumsAt = part(rows * columns * channels * 4)
      let featureAt = part(width * height * features * 4)
      let doublesAt = part(2 * channels * 8)
      let floatsAt = part(4 * channels * 4)
      let styleAt = part(network.styles.count * 4)
      let scratchAt = part(layers.reduce(0) { max($0, $1.scratchBytes) })
      let base = memory.reserve(bytes: room)

      levels = (base + levelsAt).assumingMemoryBound(to: Int16.self)
      sums = (base + sumsAt).assumingMemoryBound(to: Float.self)
      feature = (base + featureAt).assumingMemoryBound(to: Float.self)
      let doubles = (base + doublesAt).assumingMemoryBound(to: Double.self)
      let floats = (base + floatsAt).assumingMemoryBound(to: Float.self)
      statistics = style_statistics(
        sum: doubles, sum_of_squares: doubles + channels, least: floats, greatest: floats + channels)
      scale = floats + 2 * channels
      shift = floats + 3 * channels
      style = (base + styleAt).assumingMemoryBound(to: Float.self)
      scratch = base + scratchAt
    }

    func run(_ pixels: UnsafePointer<UInt8>, embedding: UnsafePointer<Float>, into output: UnsafeMutablePointer<Float>)
    {
      network.styles.evaluate(embedding, into: style)
      observe?("scales and shifts")
      kernels.pixels_to_patches(pixels, width, height, levels)
      observe?("pixels to patches")

      // Bytes are levels already.
      convolve(network.contract[0], named: network.names.contract[0])
      var step = quantiseBiased(network.contract[0], step: 1 / 255, bias: network.biases[0])
      convolve(network.contract[1], named: network.names.contract[1])
      step = begin(network.contract[1], step: step, bias: network.biases[1])
      observe?(network.names.contract[1] + " to the next layer")

      var greatest = step * Double(STYLE_LEVELS)
      for block in 0..<network.residual.count / 2 {
        let first = network.residual[2 * block]
        convolve(first, named: network.names.residual)
        step = quantiseStyled(first, step: step, normalization: 2 * block)
        let second = network.residual[2 * block + 1]
        convolve(second, named: network.names.residual)
        let change = normalise(second, step: step, normalization: 2 * block + 1).largest
        step = Self.step(greatest + change)
        greatest = Double(
          kernels.add_to_feature(
            sums, width, height, second.outputChannels, scale, shift, Float(1 / step), feature, levels))
        observe?(network.names.residual + " to the next layer")
      }

      convolve(network.expand[0], named: network.names.expand[0])
      step = quantiseStyled(network.expand[0], step: step, normalization: network.residual.count)
      observe?(network.names.expand[0] + " to the next layer")
      convolve(network.expand[1], named: network.names.expand[1])
      _ = normalise(network.expand[1], step: step, normalization: network.residual.count + 1)
      kernels.patches_to_pixels(sums, width, height, scale, shift, output)
      observe?("patches to pixels")
    }

    private func convolve(_ layer: IntegerConvolution, named name: String) {
      layer.run(
        levels, width: width, height: height, into: sums, statistics: statistics, scratch: scratch, kernels: kernels)
      observe?(name)
    }

    /// The step with which a number of this size is the largest level; 1 for a picture of zeros.
    private static func step(_ largest: Double) -> Double {
      let step = largest / Double(STYLE_LEVELS)
      return step > 0 && step.isFinite ? step : 1
    }

    // After a convolution with a bias -------------------------------------------------------------------------------

    /// Sets scale and shift so that they give what the layer writes; returns its largest number.
    private func addBias(_ layer: IntegerConvolution, step: Double, bias: [Float]) -> Double {
      var largest = 0.0
      for channel in 0..<layer.outputChannels {
        let unit = layer.weightSteps[channel] * step
        scale[channel] = Float(unit)
        shift[channel] = bias[channel]
        largest = max(largest, Double(statistics.greatest[channel]) * unit + Double(bias[channel]))
      }
      return largest
    }

    /// Writes the next layer's levels, without what is below 0; returns their step.
    private func quantiseBiased(_ layer: IntegerConvolution, step: Double, bias: [Float]) -> Double {
      quantise(layer, largest: addBias(layer, step: step, bias: bias))
    }

    /// The same, and begins what the residual blocks add to.
    private func begin(_ layer: IntegerConvolution, step: Double, bias: [Float]) -> Double {
      let next = Self.step(addBias(layer, step: step, bias: bias))
      kernels.begin_feature(
        sums, width, height, layer.outputChannels, scale, shift, Float(1 / next), feature, levels)
      return next
    }

    // After a convolution with a style ------------------------------------------------------------------------------

    /// Sets scale and shift so that they normalise what the layer wrote; returns the greatest number, and the largest absolute
    /// one, that then result.
    private func normalise(_ layer: IntegerConvolution, step: Double, normalization: Int) -> (
      greatest: Double, largest: Double
    ) {
      let pixels = Double(width * height)
      var greatest = 0.0
      var largest = 0.0
      for channel in 0..<layer.outputChannels {
        let unit = layer.weightSteps[channel] * step
        let mean = statistics.sum[channel] / pixels * unit
        let variance = max(0, statistics.sum_of_squares[channel] / pixels * unit * unit - mean * mean)
        let values = network.styles.values(style, normalization: normalization, channel: channel)
        let factor = Double(values.scale) / (variance + Double(ConditionalNormalization.epsilon)).squareRoot()
        let a = factor * unit
        let b = Double(values.shift) - mean * factor
        scale[channel] = Float(a)
        shift[channel] = Float(b)
        let ends = (a * Double(statistics.least[channel]) + b, a * Double(statistics.greatest[channel]) + b)
        greatest = max(greatest, ends.0, ends.1)
        largest = max(largest, abs(ends.0), abs(ends.1))
      }
      return (greatest, largest)
    }

    /// Writes the next layer's levels, normalised and without what is below 0; returns their step.
    private func quantiseStyled(_ layer: IntegerConvolution, step: Double, normalization: Int) -> Double {
      quantise(layer, largest: normalise(layer, step: step, normalization: normalization).greatest)
    }

    private func quantise(_ layer: IntegerConvolution, largest: Double) -> Double {
      let next = Self.step(largest)
      for channel in 0..<layer.outputChannels {
        scale[channel] = Float(Double(scale[channel]) / next)
        shift[channel] = Float(Double(shift[channel]) / next)
      }
      kernels.quantise(sums, width, height, layer.outputChannels, scale, shift, 0, levels)
      return next
    }
  }
}
