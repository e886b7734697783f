import FoundationEssentials
import Glibc

extension ModelArchitecture {
  /// Parses the `architecture` entry of a model file.
  ///
  /// - Parameters:
  ///   - text: JSON as docs/model-format.md describes it.
  ///   - fileName: what errors call the file.
  /// - Throws: ``ModelError`` with code `invalidArchitecture` that names the key and the accepted values.
  init(json text: String, in fileName: String) throws(ModelError) {
    let root: JSONValue
    do {
      root = try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
    } catch {
      throw ModelError(
        .invalidArchitecture, at: "\(fileName), architecture", "it is not JSON",
        remedy: "write it as docs/model-format.md says")
    }
    let top = try ArchitectureObject(root, path: "architecture", in: fileName)
    try top.allowOnly("format", "embedding", "predictor", "transformer")
    let format = try top.integer("format", in: 1...2)
    embedding = try top.integer("embedding", in: 1...4096)
    predictor = try top.has("predictor") ? Predictor(top.object("predictor"), format: format) : nil
    transformer = try Transformer(top.object("transformer"), format: format)
  }
}

extension ModelArchitecture.Predictor {
  fileprivate init(_ object: ArchitectureObject, format: Int) throws(ModelError) {
    if format > 1 && !object.has("kind") {
      try object.allowOnly("side", "layers")
      side = try object.integer("side", in: 1...1024)
      layers = try LayerListReader(object).layers
      return
    }
    try object.allowOnly("kind", "side", "stem", "blocks", "head")
    try object.require("kind", toBe: "mobilenet_v2")
    side = try object.integer("side", in: 1...1024)
    let stem = try object.integer("stem", in: 1...4096)
    let head = try object.integer("head", in: 1...8192)
    var blocks: [ModelArchitecture.Block] = []
    for (index, row) in try object.array("blocks", count: 1...64).enumerated() {
      let place = "blocks[\(index)]"
      guard case .array(let fields) = row, fields.count == 3 else {
        throw object.invalid(place, "it must be [expansion, channels, stride]")
      }
      blocks.append(
        ModelArchitecture.Block(
          expansion: try object.integer(fields[0], place: "\(place)[0]", in: 1...16),
          channels: try object.integer(fields[1], place: "\(place)[1]", in: 1...4096),
          stride: try object.integer(fields[2], place: "\(place)[2]", in: 1...2)))
    }
    let halvings = 1 + blocks.count { $0.stride == 2 }
    // On even sides every strided convolution pads alike: nothing before, one after.
    guard halvings <= 10, side % (1 << halvings) == 0 else {
      throw object.invalid("side", "\(side) cannot be halved \(halvings) times, as the strides of stem and blocks ask")
    }
    layers = ModelArchitecture.mobileNetV2(stem: stem, blocks: blocks, head: head)
  }
}

extension ModelArchitecture.Transformer {
  fileprivate init(_ object: ArchitectureObject, format: Int) throws(ModelError) {
    if format > 1 && !object.has("kind") {
      try object.allowOnly("layers")
      layers = try LayerListReader(object).layers
      return
    }
    switch try object.choice("kind", of: Kind.self) {
    case .ghiasi?: layers = try Self.ghiasi(object)
    case .patches?: layers = try Self.patches(object)
    case nil: throw object.invalid("kind", "it is missing")
    }
  }

  private enum Kind: String, CaseIterable { case ghiasi, patches }

  private static func patches(_ object: ArchitectureObject) throws(ModelError) -> [LayerDescription] {
    try object.allowOnly("kind", "contract", "residual", "expand")
    func channels(_ key: String, counts: ClosedRange<Int>) throws(ModelError) -> [Int] {
      let values = try object.integers(
        key, count: object.array(key, count: counts).count, in: 1...IntegerConvolution.mostChannels)
      guard values.allSatisfy({ $0 % IntegerConvolution.channelMultiple == 0 }) else {
        throw object.invalid(key, "the channels must be multiples of \(IntegerConvolution.channelMultiple)")
      }
      return values
    }
    return ModelArchitecture.patches(
      contract: try channels("contract", counts: 1...4), residual: try object.integer("residual", in: 0...32),
      expand: try channels("expand", counts: 0...3))
  }

  private static func ghiasi(_ object: ArchitectureObject) throws(ModelError) -> [LayerDescription] {
    try object.allowOnly("kind", "contract", "residual", "expand", "end_kernels")
    let contract = try object.integers("contract", count: 3, in: 1...1024)
    let residual = try object.integer("residual", in: 0...32)
    let expand = try object.integers("expand", count: 2, in: 1...1024)
    let endKernels = try object.integers("end_kernels", count: 2, in: 3...11)
    guard endKernels.allSatisfy({ $0 % 2 == 1 }) else {
      throw object.invalid("end_kernels", "the kernel sides must be odd")
    }
    return ModelArchitecture.ghiasi(contract: contract, residual: residual, expand: expand, endKernels: endKernels)
  }
}

/// JSON of any form. Numbers that are not integers are of no use to an architecture.
enum JSONValue: Decodable {
  case object([String: JSONValue])
  case array([JSONValue])
  case integer(Int)
  case string(String)
  case boolean(Bool)
  case other

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let value = try? container.decode(Int.self) {
      self = .integer(value)
    } else if let value = try? container.decode(String.self) {
      self = .string(value)
    } else if let value = try? container.decode(Bool.self) {
      self = .boolean(value)
    } else if let value = try? container.decode([JSONValue].self) {
      self = .array(value)
    } else if let value = try? container.decode([String: JSONValue].self) {
      self = .object(value)
    } else {
      self = .other
    }
  }
}

/// One JSON object of the architecture, and where it is, for the errors.
struct ArchitectureObject {
  let fields: [String: JSONValue]
  let path: String
  let fileName: String

  init(_ value: JSONValue, path: String, in fileName: String) throws(ModelError) {
    self.path = path
    self.fileName = fileName
    guard case .object(let fields) = value else {
      throw ModelError(
        .invalidArchitecture, at: "\(fileName), \(path)", "it must be a JSON object",
        remedy: "write it as docs/model-format.md says")
    }
    self.fields = fields
  }

  func invalid(_ key: String, _ problem: String) -> ModelError {
    ModelError(
      .invalidArchitecture, at: "\(fileName), \(path).\(key)", problem, remedy: "write it as docs/model-format.md says")
  }

  func has(_ key: String) -> Bool { fields[key] != nil }

  func allowOnly(_ keys: String...) throws(ModelError) {
    for key in fields.keys.sorted() where !keys.contains(key) {
      throw invalid(key, "the key is unknown; known are \(keys.joined(separator: ", "))")
    }
  }

  private func value(_ key: String) throws(ModelError) -> JSONValue {
    guard let value = fields[key] else { throw invalid(key, "it is missing") }
    return value
  }

  func object(_ key: String) throws(ModelError) -> ArchitectureObject {
    try ArchitectureObject(value(key), path: "\(path).\(key)", in: fileName)
  }

  func require(_ key: String, toBe expected: String) throws(ModelError) {
    guard case .string(expected) = try value(key) else { throw invalid(key, "it must be \"\(expected)\"") }
  }

  func string(_ key: String) throws(ModelError) -> String {
    guard case .string(let text) = try value(key) else { throw invalid(key, "it must be a string") }
    return text
  }

  /// One of the values that an enumeration has; nil when the key is absent.
  func choice<Choice: RawRepresentable & CaseIterable>(_ key: String, of: Choice.Type) throws(ModelError) -> Choice?
  where Choice.RawValue == String {
    guard has(key) else { return nil }
    guard let choice = Choice(rawValue: try string(key)) else {
      throw invalid(key, "it must be \(Choice.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: " or "))")
    }
    return choice
  }

  /// False when the key is absent.
  func boolean(_ key: String) throws(ModelError) -> Bool {
    guard has(key) else { return false }
    guard case .boolean(let value) = try value(key) else { throw invalid(key, "it must be true or false") }
    return value
  }

  func integer(_ value: JSONValue, place: String, in range: ClosedRange<Int>) throws(ModelError) -> Int {
    guard case .integer(let number) = value, range.contains(number) else {
      throw invalid(
        place,
        "it must be \(range.count == 1 ? "" : "an integer from ")\(range.lowerBound)\(range.count == 1 ? "" : " to \(range.upperBound)")"
      )
    }
    return number
  }

  func integer(_ key: String, in range: ClosedRange<Int>) throws(ModelError) -> Int {
    try integer(value(key), place: key, in: range)
  }

  func array(_ key: String, count: ClosedRange<Int>) throws(ModelError) -> [JSONValue] {
    guard case .array(let values) = try value(key), count.contains(values.count) else {
      throw invalid(key, "it must be an array of \(count.lowerBound) to \(count.upperBound) entries")
    }
    return values
  }

  func integers(_ key: String, count: Int, in range: ClosedRange<Int>) throws(ModelError) -> [Int] {
    guard case .array(let values) = try value(key), values.count == count else {
      throw invalid(key, "it must be an array of \(count) integers")
    }
    var result: [Int] = []
    for (index, value) in values.enumerated() {
      result.append(try integer(value, place: "\(key)[\(index)]", in: range))
    }
    return result
  }
}
