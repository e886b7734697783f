/// Builds the layers that an architecture describes, taking one tensor after the other from a model file or from elsewhere.
struct PlanReader {
  /// The values of a tensor of this name and shape.
  typealias Source = (_ name: String, _ shape: [Int]) throws(ModelError) -> [Float]

  private let architecture: ModelArchitecture
  private let fileName: String
  private let source: Source
  /// Tensors taken so far; whatever is left in the end does not belong in the file.
  private var taken: Set<String> = []

  /// A reader of a model file; every tensor is checked as it is taken.
  init(architecture: ModelArchitecture, file: SafetensorsFile) {
    self.init(architecture: architecture, fileName: file.name) { (name, shape) throws(ModelError) in
      try file.floats(name, shape: shape)
    }
  }

  /// A reader of any tensors; errors call them by the name of the file.
  init(architecture: ModelArchitecture, fileName: String, source: @escaping Source) {
    self.architecture = architecture
    self.fileName = fileName
    self.source = source
  }

  /// The layers of the predictor; nil when the architecture has none.
  ///
  /// - Throws: ``ModelError`` with code `invalidTensor`, or `invalidArchitecture` when the layers would need too much memory.
  mutating func predictor() throws(ModelError) -> PredictorPlan? {
    guard let shape = architecture.predictor else { return nil }
    let stem = try plainConvolution(
      "predictor.stem", from: 3, to: shape.stem, kernel: 3, stride: 2, padding: .zeros, activation: .relu6)
    var channels = shape.stem
    var blocks: [InvertedResidual] = []
    for (index, block) in shape.blocks.enumerated() {
      let name = "predictor.blocks.\(index)"
      let inner = channels * block.expansion
      var expand: Convolution?
      if block.expansion > 1 {
        expand = try plainConvolution(
          "\(name).expand", from: channels, to: inner, kernel: 1, stride: 1, padding: .zeros, activation: .relu6)
      }
      blocks.append(
        InvertedResidual(
          expand: expand,
          depthwise: try plainConvolution(
            "\(name).depthwise", from: inner, to: inner, kernel: 3, stride: block.stride, isDepthwise: true,
            padding: .zeros,
            activation: .relu6),
          project: try plainConvolution(
            "\(name).project", from: inner, to: block.channels, kernel: 1, stride: 1, padding: .zeros,
            activation: .identity),
          addsInput: block.stride == 1 && block.channels == channels))
      channels = block.channels
    }
    let head = try plainConvolution(
      "predictor.head", from: channels, to: shape.head, kernel: 1, stride: 1, padding: .zeros, activation: .relu6)
    let plan = PredictorPlan(
      side: shape.side, stem: stem, blocks: blocks, head: head,
      embedding: try affineMap("predictor.embedding", from: shape.head, to: architecture.embedding))
    // A small file can describe a network whose intermediate pictures fill any memory.
    let largest = largestPicture(of: plan.convolutions, width: shape.side, height: shape.side)
    guard largest <= Self.maximumPredictorPicture else {
      throw ModelError(
        .invalidArchitecture, at: "\(fileName), architecture.predictor",
        "a layer puts out \(largest) numbers, more than \(Self.maximumPredictorPicture)",
        remedy: "use a smaller side or fewer channels")
    }
    return plan
  }

  /// The layers of the transformer.
  ///
  /// - Throws: ``ModelError`` with code `invalidTensor`.
  mutating func transformer() throws(ModelError) -> TransformerPlan {
    let shape = architecture.transformer
    var contract: [Convolution] = []
    var channels = 3
    for (index, next) in shape.contract.enumerated() {
      contract.append(
        try plainConvolution(
          "transformer.contract.\(index)", from: channels, to: next, kernel: index == 0 ? shape.endKernels[0] : 3,
          stride: index == 0 ? 1 : 2, padding: .reflection, activation: .relu))
      channels = next
    }
    var residual: [ResidualBlock] = []
    for index in 0..<shape.residual {
      let name = "transformer.residual.\(index)"
      residual.append(
        ResidualBlock(
          first: try styledConvolution(
            "\(name).0", from: channels, to: channels, kernel: 3, upsampling: 1, activation: .relu),
          second: try styledConvolution(
            "\(name).1", from: channels, to: channels, kernel: 3, upsampling: 1, activation: .identity)))
    }
    var expand: [Convolution] = []
    for (index, next) in (shape.expand + [3]).enumerated() {
      let isLast = index == shape.expand.count
      expand.append(
        try styledConvolution(
          "transformer.expand.\(index)", from: channels, to: next, kernel: isLast ? shape.endKernels[1] : 3,
          upsampling: isLast ? 1 : 2, activation: isLast ? .sigmoid : .relu))
      channels = next
    }
    return TransformerPlan(contract: contract, residual: residual, expand: expand)
  }

  /// Refuses a file with tensors that no layer asked for: they mean that the architecture entry is wrong.
  ///
  /// - Throws: ``ModelError`` with code `invalidTensor`.
  func refuseSurplus(in file: SafetensorsFile) throws(ModelError) {
    if let surplus = file.tensors.keys.filter({ !taken.contains($0) }).min() {
      throw file.invalidTensor(
        surplus, "the architecture does not call for it",
        remedy: "correct the architecture entry, or leave the tensor out")
    }
  }

  /// 256 MB of float32. The lite predictor's largest is a fortieth of it.
  private static let maximumPredictorPicture = 1 << 26

  private mutating func take(_ name: String, shape: [Int]) throws(ModelError) -> [Float] {
    taken.insert(name)
    return try source(name, shape)
  }

  private mutating func affineMap(_ name: String, from inputs: Int, to outputs: Int) throws(ModelError) -> AffineMap {
    AffineMap(
      inputs: inputs, outputs: outputs,
      weight: try take("\(name).weight", shape: [outputs, inputs]),
      bias: try take("\(name).bias", shape: [outputs]))
  }

  private mutating func plainConvolution(
    _ name: String, from inputs: Int, to outputs: Int, kernel: Int, stride: Int, isDepthwise: Bool = false,
    padding: BorderPadding, activation: Activation
  ) throws(ModelError) -> Convolution {
    Convolution(
      name: name, inputChannels: inputs, outputChannels: outputs, kernel: kernel, stride: stride,
      isDepthwise: isDepthwise,
      upsampling: 1, padding: padding,
      weight: try take("\(name).weight", shape: [outputs, isDepthwise ? 1 : inputs, kernel, kernel]),
      bias: try take("\(name).bias", shape: [outputs]), normalization: nil, activation: activation)
  }

  private mutating func styledConvolution(
    _ name: String, from inputs: Int, to outputs: Int, kernel: Int, upsampling: Int, activation: Activation
  ) throws(ModelError) -> Convolution {
    let normalization = ConditionalNormalization(
      scale: try affineMap("\(name).scale", from: architecture.embedding, to: outputs),
      shift: try affineMap("\(name).shift", from: architecture.embedding, to: outputs))
    return Convolution(
      name: name, inputChannels: inputs, outputChannels: outputs, kernel: kernel, stride: 1, isDepthwise: false,
      upsampling: upsampling, padding: .reflection,
      weight: try take("\(name).weight", shape: [outputs, inputs, kernel, kernel]), bias: nil,
      normalization: normalization, activation: activation)
  }
}
