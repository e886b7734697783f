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

  /// The predictor; nil when the architecture has none.
  ///
  /// - Throws: ``ModelError`` with code `invalidTensor`, or `invalidArchitecture` when the layers do not fit together or would
  ///   need too much memory.
  mutating func predictor() throws(ModelError) -> PredictorPlan? {
    guard let shape = architecture.predictor else { return nil }
    let graph = try graph(shape.layers, of: "predictor")
    let shapes = try self.shapes(of: graph, width: shape.side, height: shape.side, network: "predictor")
    let plan = PredictorPlan(
      side: shape.side, graph: graph,
      embedding: try affineMap(
        "predictor.embedding", from: shapes[shapes.count - 1].channels, to: architecture.embedding))
    // A small file can describe a network whose intermediate pictures fill any memory.
    let largest = shapes.reduce(0) { max($0, $1.count) }
    guard largest <= Self.maximumPredictorPicture else {
      throw invalid(
        "predictor", "a layer puts out \(largest) numbers, more than \(Self.maximumPredictorPicture)",
        remedy: "use a smaller side or fewer channels")
    }
    return plan
  }

  /// The transformer.
  ///
  /// - Throws: ``ModelError`` with code `invalidTensor`, or `invalidArchitecture` when the layers do not fit together or change
  ///   the size of a picture.
  mutating func transformer() throws(ModelError) -> TransformerPlan {
    let graph = try graph(architecture.transformer.layers, of: "transformer")
    // Layers act on each axis alone, and do the same to two sides that differ by 2 to the power of the halvings: the sides
    // that are tried stand for all.
    let halvings = graph.layers.reduce(0) { $0 + $1.halvings }
    guard halvings <= Self.maximumHalvings else {
      throw invalid(
        "transformer", "it halves the picture \(halvings) times, more than \(Self.maximumHalvings) times",
        remedy: "use fewer of them")
    }
    for side in stride(
      from: ModelArchitecture.minimumSide, through: Self.checkedSides, by: ModelArchitecture.sideMultiple)
    {
      let shapes = try self.shapes(of: graph, width: side, height: side, network: "transformer")
      guard shapes[shapes.count - 1] == shapes[0] else {
        let last = shapes[shapes.count - 1]
        throw invalid(
          "transformer",
          "it makes \(last.channels) channels of \(last.width)x\(last.height) pixels of 3 channels of \(side)x\(side)",
          remedy: "its layers must give back three channels of the size that they are given")
      }
      let largest = shapes.reduce(0) { max($0, $1.count) }
      guard largest <= Self.maximumNumbersPerPixel * side * side else {
        throw invalid(
          "transformer", "a layer puts out \(largest / (side * side)) numbers for each pixel of the picture",
          remedy: "use fewer channels: \(Self.maximumNumbersPerPixel) numbers for each pixel are the most")
      }
    }
    // One that enlarges the picture on the way makes the most of the largest.
    let largest = ModelArchitecture.maximumSide
    _ = try shapes(of: graph, width: largest, height: largest, network: "transformer")
    return TransformerPlan(graph: graph)
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

  /// 205 MB of float32 for 224x224. The full-width transformer's largest is a thirtieth of it.
  private static let maximumNumbersPerPixel = 1024

  /// As many as a convolution may have.
  private static let maximumChannels = 8192

  /// Layers with stride 2 of a transformer. The published ones have two.
  private static let maximumHalvings = 5

  /// Sides of this size and less are tried: more than 2 to the power of ``maximumHalvings`` past the smallest.
  private static let checkedSides = 128

  private func invalid(_ place: String, _ problem: String, remedy: String) -> ModelError {
    ModelError(.invalidArchitecture, at: "\(fileName), architecture.\(place)", problem, remedy: remedy)
  }

  private func shapes(
    of graph: LayerGraph, width: Int, height: Int, network: String
  ) throws(ModelError) -> [PictureShape] {
    do {
      return try graph.shapes(width: width, height: height)
    } catch {
      throw invalid(
        "\(network), layer '\(graph.layers[error.layer].name)'", error.problem,
        remedy: "make its layers fit together for pictures of \(width)x\(height)")
    }
  }

  private mutating func graph(_ descriptions: [LayerDescription], of network: String) throws(ModelError) -> LayerGraph {
    var layers: [LayerGraph.Layer] = []
    func channels(_ input: Int) -> Int { input == 0 ? 3 : layers[input - 1].channels }
    for description in descriptions {
      let inputs = description.inputs.map(channels)
      let operation: LayerGraph.Operation
      var outputs = inputs[0]
      func misfit(_ problem: String) -> ModelError {
        invalid("\(network), layer '\(description.name)'", problem, remedy: "correct the layer, or what it reads")
      }
      switch description.operation {
      case .convolution(let form):
        guard !form.isDepthwise || form.channels == outputs else {
          throw misfit("it is depthwise, reads \(outputs) channels and puts out \(form.channels)")
        }
        guard network == "transformer" || form.normalization != .style else {
          throw misfit("a predictor has no style to normalise with")
        }
        operation = .convolution(try convolution("\(network).\(description.name)", from: outputs, form))
        outputs = form.channels
      case .maxPooling(let window): operation = .maxPooling(window)
      case .averagePooling(let window, let countsBorder):
        operation = .averagePooling(window, countsBorder: countsBorder)
      case .addition:
        guard inputs[0] == inputs[1] else { throw misfit("it adds \(inputs[0]) channels and \(inputs[1])") }
        operation = .addition
      case .concatenation:
        operation = .concatenation
        outputs = inputs.reduce(0, +)
        // Concatenations of concatenations would soon have more channels than there are integers.
        guard outputs <= Self.maximumChannels else {
          throw misfit("it puts \(outputs) channels together, more than \(Self.maximumChannels)")
        }
      case .spaceToDepth(let block):
        operation = .spaceToDepth(block)
        outputs *= block * block
        // One after the other, they would soon have more channels than there are integers.
        guard outputs <= Self.maximumChannels else {
          throw misfit("it makes \(outputs) channels, more than \(Self.maximumChannels)")
        }
      case .depthToSpace(let block):
        guard outputs % (block * block) == 0 else {
          throw misfit("it reads \(outputs) channels, which are no whole squares of \(block)x\(block)")
        }
        operation = .depthToSpace(block)
        outputs /= block * block
      }
      layers.append(
        LayerGraph.Layer(name: description.name, operation: operation, inputs: description.inputs, channels: outputs))
    }
    let graph = LayerGraph(layers: layers)
    let readers = graph.readers
    if let unread = layers.indices.dropLast().first(where: { readers[$0 + 1].isEmpty }) {
      throw invalid(
        "\(network), layer '\(layers[unread].name)'", "no layer reads it, and it is not the last",
        remedy: "leave it out, or name it in another layer's 'from'")
    }
    return graph
  }

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

  private mutating func convolution(
    _ name: String, from inputs: Int, _ form: ConvolutionForm
  ) throws(ModelError) -> Convolution {
    var style: InstanceNormalization.StyleMaps?
    if form.normalization == .style {
      style = InstanceNormalization.StyleMaps(
        scale: try affineMap("\(name).scale", from: architecture.embedding, to: form.channels),
        shift: try affineMap("\(name).shift", from: architecture.embedding, to: form.channels))
    }
    return Convolution(
      name: name, inputChannels: inputs, form: form,
      weight: try take(
        "\(name).weight",
        shape: [form.channels, form.isDepthwise ? 1 : inputs, form.window.rows, form.window.columns]),
      bias: form.normalization == nil ? try take("\(name).bias", shape: [form.channels]) : nil,
      normalization: form.normalization.map { _ in InstanceNormalization(style: style) })
  }
}
