/// A list of layers under construction, for architectures that a file names instead of spelling them out.
private struct LayerList {
  private(set) var layers: [LayerDescription] = []

  /// Adds a layer that reads the last one, or what is given; returns its number as an input.
  @discardableResult
  mutating func add(_ name: String, _ operation: LayerDescription.Operation, from inputs: [Int]? = nil) -> Int {
    layers.append(LayerDescription(name: name, operation: operation, inputs: inputs ?? [layers.count]))
    return layers.count
  }

  /// Adds a convolution with a square kernel.
  @discardableResult
  mutating func convolve(
    _ name: String, to channels: Int, kernel: Int, stride: Int = 1, padding: Padding, isDepthwise: Bool = false,
    upsampling: Int = 1, normalization: ConvolutionForm.Normalization? = nil, activation: Activation
  ) -> Int {
    add(
      name,
      .convolution(
        ConvolutionForm(
          channels: channels, window: Window(rows: kernel, columns: kernel, stride: stride, padding: padding),
          isDepthwise: isDepthwise, upsampling: upsampling, normalization: normalization, activation: activation)))
  }

  /// Adds blocks of two 3x3 convolutions that are normalised by style, each block's input added to its output.
  mutating func addResidualBlocks(_ count: Int, channels: Int) {
    for index in 0..<count {
      let input = layers.count
      for half in 0..<2 {
        convolve(
          "residual.\(index).\(half)", to: channels, kernel: 3, padding: .all(1, .mirrored), normalization: .style,
          activation: half == 0 ? .relu : .identity)
      }
      add("residual.\(index).sum", .addition, from: [input, layers.count])
    }
  }
}

extension ModelArchitecture {
  /// One inverted residual block of a MobileNetV2.
  struct Block {
    /// How many times wider the block is inside.
    let expansion: Int
    /// Channels it puts out.
    let channels: Int
    /// 1 or 2.
    let stride: Int
  }

  /// The layers that `"kind": "mobilenet_v2"` stands for.
  static func mobileNetV2(stem: Int, blocks: [Block], head: Int) -> [LayerDescription] {
    var list = LayerList()
    var input = list.convolve("stem", to: stem, kernel: 3, stride: 2, padding: .afterOnly, activation: .relu6)
    var channels = stem
    for (index, block) in blocks.enumerated() {
      let name = "blocks.\(index)"
      let inner = channels * block.expansion
      if block.expansion > 1 {
        list.convolve("\(name).expand", to: inner, kernel: 1, padding: .none, activation: .relu6)
      }
      list.convolve(
        "\(name).depthwise", to: inner, kernel: 3, stride: block.stride,
        padding: block.stride == 1 ? .all(1, .zeros) : .afterOnly, isDepthwise: true, activation: .relu6)
      var output = list.convolve(
        "\(name).project", to: block.channels, kernel: 1, padding: .none, activation: .identity)
      if block.stride == 1 && block.channels == channels {
        output = list.add("\(name).sum", .addition, from: [input, output])
      }
      input = output
      channels = block.channels
    }
    list.convolve("head", to: head, kernel: 1, padding: .none, activation: .relu6)
    return list.layers
  }

  /// The layers that `"kind": "patches"` stands for.
  static func patches(contract: [Int], residual: Int, expand: [Int]) -> [LayerDescription] {
    let side = PatchTransformer.side
    var list = LayerList()
    list.add("patches", .spaceToDepth(side))
    for (index, channels) in contract.enumerated() {
      list.convolve("contract.\(index)", to: channels, kernel: 3, padding: .all(1, .mirrored), activation: .relu)
    }
    list.addResidualBlocks(residual, channels: contract[contract.count - 1])
    for (index, channels) in (expand + [PatchTransformer.channels]).enumerated() {
      list.convolve(
        "expand.\(index)", to: channels, kernel: 3, padding: .all(1, .mirrored), normalization: .style,
        activation: index == expand.count ? .sigmoid : .relu)
    }
    list.add("pixels", .depthToSpace(side))
    return list.layers
  }

  /// The layers that `"kind": "ghiasi"` stands for.
  static func ghiasi(contract: [Int], residual: Int, expand: [Int], endKernels: [Int]) -> [LayerDescription] {
    var list = LayerList()
    for (index, channels) in contract.enumerated() {
      let kernel = index == 0 ? endKernels[0] : 3
      list.convolve(
        "contract.\(index)", to: channels, kernel: kernel, stride: index == 0 ? 1 : 2,
        padding: .all(kernel / 2, .mirrored), activation: .relu)
    }
    list.addResidualBlocks(residual, channels: contract[contract.count - 1])
    for (index, channels) in (expand + [3]).enumerated() {
      let isLast = index == expand.count
      let kernel = isLast ? endKernels[1] : 3
      list.convolve(
        "expand.\(index)", to: channels, kernel: kernel, padding: .all(kernel / 2, .mirrored),
        upsampling: isLast ? 1 : 2, normalization: .style, activation: isLast ? .sigmoid : .relu)
    }
    return list.layers
  }
}
