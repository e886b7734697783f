/// The size of a picture between two layers.
package struct PictureShape: Sendable, Hashable {
  /// Planes of floats.
  package let channels: Int
  /// Columns of each.
  package let width: Int
  /// Rows of each.
  package let height: Int

  /// A shape of these sizes.
  package init(channels: Int, width: Int, height: Int) {
    self.channels = channels
    self.width = width
    self.height = height
  }

  /// Numbers in it.
  package var count: Int { channels * width * height }
}

/// Layers with their weights, each after those that it reads.
package struct LayerGraph: Sendable {
  package typealias Operation = LayerOperation<Convolution>

  /// One layer.
  package struct Layer: Sendable {
    /// Distinct in its network.
    package let name: String
    /// What it does.
    package let operation: Operation
    /// What it reads: 0 is the network's picture, k the output of layer k - 1.
    package let inputs: [Int]
    /// Channels that it puts out.
    package let channels: Int

    /// How many times it halves the sides of its picture, rounded up.
    var halvings: Int {
      switch operation {
      case .convolution(let convolution): convolution.stride == 2 ? 1 : 0
      case .maxPooling(let window), .averagePooling(let window, _): window.stride == 2 ? 1 : 0
      case .addition, .concatenation, .depthToSpace: 0
      case .spaceToDepth(let block): block == 2 ? 1 : 2
      }
    }

    /// The convolution, where the layer is one.
    package var convolution: Convolution? {
      if case .convolution(let convolution) = operation { convolution } else { nil }
    }
  }

  /// Why a picture cannot pass.
  struct Misfit: Error {
    let layer: Int
    let problem: String
  }

  /// No picture is larger, and none overflows an integer when it is enlarged again and again.
  private static let maximumSide = 1 << 20

  /// In the order in which they run; the last one's output is the graph's.
  package let layers: [Layer]

  /// Every convolution in order.
  package var convolutions: [Convolution] { layers.compactMap(\.convolution) }
  /// Numbers learnt.
  package var parameterCount: Int { convolutions.reduce(0) { $0 + $1.parameterCount } }

  /// Who reads each picture: entry 0 is the network's own, entry k the output of layer k - 1.
  var readers: [[Int]] {
    var readers = [[Int]](repeating: [], count: layers.count + 1)
    for (index, layer) in layers.enumerated() {
      for input in layer.inputs { readers[input].append(index) }
    }
    return readers
  }

  /// The size of every picture on the way, entry 0 being the network's own, of three channels.
  ///
  /// - Throws: ``Misfit`` at the first layer that a picture of this size cannot pass.
  func shapes(width: Int, height: Int) throws(Misfit) -> [PictureShape] {
    var shapes = [PictureShape(channels: 3, width: width, height: height)]
    for (index, layer) in layers.enumerated() {
      let input = shapes[layer.inputs[0]]
      var side = (width: input.width, height: input.height)
      var upsampling = 1
      var window: Window?
      switch layer.operation {
      case .convolution(let convolution):
        upsampling = convolution.upsampling
        window = convolution.window
      case .maxPooling(let pooling), .averagePooling(let pooling, _): window = pooling
      case .addition, .concatenation:
        for other in layer.inputs.dropFirst()
        where shapes[other].width != side.width || shapes[other].height != side.height {
          throw Misfit(
            layer: index,
            problem: "it takes pictures of one size and gets \(side.width)x\(side.height) and "
              + "\(shapes[other].width)x\(shapes[other].height)")
        }
      case .spaceToDepth(let block):
        guard side.width % block == 0, side.height % block == 0 else {
          throw Misfit(
            layer: index, problem: "\(side.width)x\(side.height) pixels are no whole squares of \(block)x\(block)")
        }
        side = (side.width / block, side.height / block)
      case .depthToSpace(let block): side = (side.width * block, side.height * block)
      }
      if let window {
        side = (side.width * upsampling, side.height * upsampling)
        let padding = window.padding
        if padding.border == .mirrored,
          max(padding.left, padding.right) >= side.width || max(padding.top, padding.bottom) >= side.height
        {
          throw Misfit(layer: index, problem: "a picture of \(side.width)x\(side.height) is too small to be mirrored")
        }
        guard side.width + padding.left + padding.right >= window.columns,
          side.height + padding.top + padding.bottom >= window.rows
        else {
          throw Misfit(
            layer: index, problem: "a picture of \(side.width)x\(side.height) is smaller than the layer's window")
        }
        side = window.output(width: side.width, height: side.height)
      }
      guard max(side.width, side.height) <= Self.maximumSide else {
        throw Misfit(layer: index, problem: "it puts out \(side.width)x\(side.height) pixels")
      }
      shapes.append(PictureShape(channels: layer.channels, width: side.width, height: side.height))
    }
    return shapes
  }

  /// As `shapes(width:height:)`, for a size that was checked when the model was loaded.
  package func checkedShapes(width: Int, height: Int) -> [PictureShape] {
    do {
      return try shapes(width: width, height: height)
    } catch {
      preconditionFailure("layer \(layers[error.layer].name): \(error.problem)")
    }
  }

  /// Multiply-accumulates for one picture, with those of the styles' maps.
  func macs(width: Int, height: Int) -> Int {
    let shapes = checkedShapes(width: width, height: height)
    return layers.enumerated().reduce(0) { sum, entry in
      sum + (entry.element.convolution?.macs(output: shapes[entry.offset + 1]) ?? 0)
    }
  }
}
