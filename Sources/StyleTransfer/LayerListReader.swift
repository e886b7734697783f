/// Reads the `layers` of a network.
struct LayerListReader {
  /// What was read.
  private(set) var layers: [LayerDescription] = []
  /// Names so far, and what number a layer that reads them calls them by.
  private var numbers = ["picture": 0]

  private static let largestCount = 512
  private static let largestKernel = 11

  /// - Throws: ``ModelError`` with code `invalidArchitecture` that names the key and the accepted values.
  init(_ network: ArchitectureObject) throws(ModelError) {
    for (index, value) in try network.array("layers", count: 1...Self.largestCount).enumerated() {
      let object = try ArchitectureObject(value, path: "\(network.path).layers[\(index)]", in: network.fileName)
      let name = try object.string("name")
      guard !name.isEmpty, name.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == ".") })
      else { throw object.invalid("name", "it must be made of ASCII letters, digits, '_' and '.'") }
      guard numbers[name] == nil, name != "embedding" else {
        throw object.invalid("name", "'\(name)' is the name of something else already")
      }
      let operation = try Self.operation(object)
      layers.append(LayerDescription(name: name, operation: operation, inputs: try inputs(object, of: operation)))
      numbers[name] = layers.count
    }
  }

  private static func operation(_ object: ArchitectureObject) throws(ModelError) -> LayerDescription.Operation {
    switch try object.string("layer") {
    case "convolution":
      try object.allowOnly(
        "layer", "name", "from", "channels", "kernel", "stride", "padding", "border", "depthwise", "upsampling",
        "normalization", "activation")
      return .convolution(
        ConvolutionForm(
          channels: try object.integer("channels", in: 1...8192), window: try window(object),
          isDepthwise: try object.boolean("depthwise"),
          upsampling: try object.has("upsampling") ? object.integer("upsampling", in: 1...2) : 1,
          normalization: try object.choice("normalization", of: ConvolutionForm.Normalization.self),
          activation: try object.choice("activation", of: Activation.self) ?? .identity))
    case "max_pooling":
      try object.allowOnly("layer", "name", "from", "kernel", "stride")
      return .maxPooling(try window(object))
    case "average_pooling":
      try object.allowOnly("layer", "name", "from", "kernel", "padding", "counts_border")
      return .averagePooling(try window(object), countsBorder: try object.boolean("counts_border"))
    case "addition":
      try object.allowOnly("layer", "name", "from")
      return .addition
    case "concatenation":
      try object.allowOnly("layer", "name", "from")
      return .concatenation
    case "space_to_depth":
      try object.allowOnly("layer", "name", "from", "block")
      return .spaceToDepth(try object.integer("block", in: 2...4))
    case "depth_to_space":
      try object.allowOnly("layer", "name", "from", "block")
      return .depthToSpace(try object.integer("block", in: 2...4))
    default:
      throw object.invalid(
        "layer",
        "it must be \"convolution\", \"max_pooling\", \"average_pooling\", \"addition\", \"concatenation\", "
          + "\"space_to_depth\" or \"depth_to_space\"")
    }
  }

  private static func window(_ object: ArchitectureObject) throws(ModelError) -> Window {
    let kernel = try object.integers("kernel", count: 2, in: 1...largestKernel)
    var padding = Padding.none
    if object.has("padding") {
      let sides = try object.integers("padding", count: 4, in: 0...(largestKernel - 1))
      padding = Padding(
        top: sides[0], bottom: sides[1], left: sides[2], right: sides[3],
        border: try object.choice("border", of: Padding.Border.self) ?? .zeros)
      // A window that holds nothing but border has no mean and no use.
      guard max(sides[0], sides[1]) < kernel[0], max(sides[2], sides[3]) < kernel[1] else {
        throw object.invalid("padding", "it must be smaller than the kernel")
      }
    }
    return Window(
      rows: kernel[0], columns: kernel[1], stride: try object.has("stride") ? object.integer("stride", in: 1...2) : 1,
      padding: padding)
  }

  private func inputs(
    _ object: ArchitectureObject, of operation: LayerDescription.Operation
  ) throws(ModelError) -> [Int] {
    let count =
      switch operation {
      case .addition: 2...2
      case .concatenation: 2...16
      default: 1...1
      }
    guard object.has("from") else {
      guard count.contains(1) else { throw object.invalid("from", "it is missing") }
      return [layers.count]
    }
    var inputs: [Int] = []
    for (index, value) in try object.array("from", count: count).enumerated() {
      guard case .string(let name) = value, let number = numbers[name] else {
        throw object.invalid("from[\(index)]", "it must be \"picture\" or the name of a layer before this one")
      }
      inputs.append(number)
    }
    return inputs
  }
}
