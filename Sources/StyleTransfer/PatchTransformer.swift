import CStyleKernels

/// The style transformer whose ends work on patches, in whole numbers: the same bytes on every processor.
///
///     pixels -> patches of 4x4, 48 channels -> 3x3 -> 3x3 -> residual blocks -> 3x3 -> 3x3 -> patches -> sigmoid -> pixels
///
/// Everything happens at a quarter of the side. Between two convolutions numbers are levels (`IntegerConvolution`), whose
/// step is chosen for each picture from the largest number there is, so nothing is ever clipped. What the residual blocks
/// add to stays in float32.
///
/// Two facts make the steps cheap. A convolution leaves the least and the greatest of each channel behind, and a normalisation
/// is monotonic, so its largest number is known before it is carried out. And a normalisation divides by the deviation, so the
/// steps in front of it matter only where they meet its epsilon.
final class PatchTransformer: Sendable {
  private let kernels: style_integer_kernels
  private let contract: [Layer]
  private let residual: [Layer]
  private let expand: [Layer]
  private let styles: StyleParameters
  /// The most channels that lie between two convolutions.
  private let mostChannels: Int
  /// Channels of what the residual blocks add to.
  private let features: Int
  /// Of the convolution that needs the most.
  private let scratchBytes: Int

  /// Width and height of a patch in pixels.
  static let side = 4
  /// Numbers of a patch.
  static let channels = 48

  /// - Parameters:
  ///   - chain: the layers; channels of patches in the order of PyTorch's `pixel_unshuffle`.
  ///   - embeddingCount: length of z.
  ///   - kernels: the path to run on.
  init(_ chain: PatchChain, embeddingCount: Int, kernels: style_integer_kernels) {
    self.kernels = kernels
    contract = chain.contract.enumerated().map { index, layer in
      Layer(layer, weight: index == 0 ? Self.inPixelOrder(inputsOf: layer) : layer.weight)
    }
    residual = chain.residual.flatMap { [$0.first, $0.second] }.map {
      Layer($0, named: "transformer.residual", weight: $0.weight)
    }
    expand = chain.expand.enumerated().map { index, layer in
      index == chain.expand.count - 1
        ? Layer(layer, weight: Self.inPixelOrder(outputsOf: layer), styleChannels: Self.filePlaces)
        : Layer(layer, weight: layer.weight)
    }
    let convolutions = (contract + residual + expand).map(\.convolution)
    mostChannels = convolutions.reduce(Self.channels) { max($0, $1.outputChannels) }
    features = contract[contract.count - 1].convolution.outputChannels
    scratchBytes = convolutions.reduce(0) { max($0, $1.scratchBytes) }
    styles = StyleParameters(
      chain.convolutions.compactMap(\.normalization?.style), embeddingCount: embeddingCount)
  }

  /// One convolution, and what it adds where no normalisation follows.
  private struct Layer: Sendable {
    /// What observers are told; one name for all of the residual blocks.
    let name: String
    let convolution: IntegerConvolution
    let bias: [Float]
    /// For each output channel, where its scale and shift are in the model file.
    let styleChannels: [Int]

    init(_ layer: Convolution, named name: String? = nil, weight: [Float], styleChannels: [Int]? = nil) {
      self.name = name ?? layer.name
      self.styleChannels = styleChannels ?? Array(0..<layer.outputChannels)
      convolution = IntegerConvolution(
        inputChannels: layer.inputChannels, outputChannels: layer.outputChannels, weight: weight)
      bias = layer.bias ?? []
    }
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
      let channels = network.mostChannels
      let columns = roundUp(width, toMultipleOf: 4)
      let rows = roundUp(height, toMultipleOf: 4)

      var room = 0
      func part(_ bytes: Int) -> Int {
        defer { room += roundUp(bytes, toMultipleOf: ScratchMemory.alignment) }
        return room
      }
      let levelsAt = part((rows + 2) * (columns + 2) * channels * 2)
      let sumsAt = part(rows * columns * channels * 4)
      let featureAt = part(width * height * network.features * 4)
      let doublesAt = part(2 * channels * 8)
      let floatsAt = part(4 * channels * 4)
      let styleAt = part(network.styles.count * 4)
      let scratchAt = part(network.scratchBytes)
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
      var step = 1.0 / 255
      var largest = 0.0
      for (index, layer) in network.contract.enumerated() {
        convolve(layer)
        largest = addBias(layer, step: step)
        if index < network.contract.count - 1 {
          step = quantise(layer, largest: largest)
        } else {
          step = Self.step(largest)
          kernels.begin_feature(
            sums, width, height, layer.convolution.outputChannels, scale, shift, Float(1 / step), feature, levels)
        }
        observe?(layer.name + " to the next layer")
      }
      var normalization = 0
      for (index, layer) in network.residual.enumerated() {
        convolve(layer)
        let ends = normalise(layer, step: step, normalization: &normalization)
        if index % 2 == 0 {
          step = quantise(layer, largest: ends.greatest)
        } else {
          step = Self.step(largest + ends.farthest)
          largest = Double(
            kernels.add_to_feature(
              sums, width, height, layer.convolution.outputChannels, scale, shift, Float(1 / step), feature, levels))
        }
        observe?(layer.name + " to the next layer")
      }
      for (index, layer) in network.expand.enumerated() {
        convolve(layer)
        let ends = normalise(layer, step: step, normalization: &normalization)
        if index < network.expand.count - 1 {
          step = quantise(layer, largest: ends.greatest)
        } else {
          kernels.patches_to_pixels(sums, width, height, scale, shift, output)
        }
        observe?(layer.name + " to the next layer")
      }
    }

    private func convolve(_ layer: Layer) {
      layer.convolution.run(
        levels, width: width, height: height, into: sums, statistics: statistics, scratch: scratch, kernels: kernels)
      observe?(layer.name)
    }

    /// The step with which a number of this size is the largest level; 1 for a picture of zeros.
    private static func step(_ largest: Double) -> Double {
      let step = largest / Double(STYLE_LEVELS)
      return step > 0 && step.isFinite ? step : 1
    }

    /// Sets scale and shift so that they give what a layer with a bias writes; returns its largest number.
    private func addBias(_ layer: Layer, step: Double) -> Double {
      var largest = 0.0
      for channel in 0..<layer.convolution.outputChannels {
        let unit = layer.convolution.weightSteps[channel] * step
        scale[channel] = Float(unit)
        shift[channel] = layer.bias[channel]
        largest = max(largest, Double(statistics.greatest[channel]) * unit + Double(layer.bias[channel]))
      }
      return largest
    }

    /// Sets scale and shift so that they normalise what a layer wrote.
    ///
    /// - Returns: the greatest number that then results, and the farthest from 0; neither is below 0.
    private func normalise(
      _ layer: Layer, step: Double, normalization: inout Int
    ) -> (greatest: Double, farthest: Double) {
      let pixels = Double(width * height)
      var greatest = 0.0
      var farthest = 0.0
      for channel in 0..<layer.convolution.outputChannels {
        let unit = layer.convolution.weightSteps[channel] * step
        let mean = statistics.sum[channel] / pixels * unit
        let variance = max(0, statistics.sum_of_squares[channel] / pixels * unit * unit - mean * mean)
        let values = network.styles.values(
          style, normalization: normalization, channel: layer.styleChannels[channel])
        let affine = InstanceNormalization.affine(
          mean: mean, variance: variance, scale: values.scale, shift: values.shift)
        let a = affine.factor * unit
        let b = affine.summand
        scale[channel] = Float(a)
        shift[channel] = Float(b)
        let ends = (a * Double(statistics.least[channel]) + b, a * Double(statistics.greatest[channel]) + b)
        greatest = max(greatest, ends.0, ends.1)
        farthest = max(farthest, abs(ends.0), abs(ends.1))
      }
      normalization += 1
      return (greatest, farthest)
    }

    /// Writes the next layer's levels, without what is below 0; returns their step.
    private func quantise(_ layer: Layer, largest: Double) -> Double {
      let next = Self.step(largest)
      let channels = layer.convolution.outputChannels
      for channel in 0..<channels {
        scale[channel] = Float(Double(scale[channel]) / next)
        shift[channel] = Float(Double(shift[channel]) / next)
      }
      kernels.quantise(sums, width, height, channels, scale, shift, 0, levels)
      return next
    }
  }
}
