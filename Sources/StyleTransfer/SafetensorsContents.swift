import Basics
import FoundationEssentials
import Glibc

/// Float32 tensors and strings on their way into a safetensors file.
///
/// For example:
///
///     var contents = SafetensorsContents()
///     contents.metadata["licence"] = "CC0-1.0"
///     contents.add("embeddings", shape: [1, 100], values: embedding)
///     try contents.write(to: url)
package struct SafetensorsContents: Sendable {
  /// The strings under `__metadata__`.
  package var metadata: [String: String] = [:]
  private var tensors: [(name: String, shape: [Int], values: [Float])] = []

  /// Nothing yet.
  package init() {}

  /// Adds a tensor; tensors are stored in the order in which they were added.
  ///
  /// - Parameters:
  ///   - name: not used before, and not `__metadata__`.
  ///   - shape: outermost dimension first.
  ///   - values: as many as the shape asks for.
  package mutating func add(_ name: String, shape: [Int], values: [Float]) {
    precondition(shape.reduce(1, *) == values.count, "tensor '\(name)' has \(values.count) values for shape \(shape)")
    precondition(name != "__metadata__" && !tensors.contains { $0.name == name }, "tensor name '\(name)' is taken")
    tensors.append((name, shape, values))
  }

  /// The bytes of the file; equal contents give equal bytes.
  package var encoded: Data {
    struct Entry: Encodable {
      let dtype = "F32"
      let shape: [Int]
      let offsets: [Int]

      enum CodingKeys: String, CodingKey {
        case dtype
        case shape
        case offsets = "data_offsets"
      }
    }
    enum Value: Encodable {
      case metadata([String: String])
      case tensor(Entry)
      func encode(to encoder: any Encoder) throws {
        switch self {
        case .metadata(let strings): try strings.encode(to: encoder)
        case .tensor(let entry): try entry.encode(to: encoder)
        }
      }
    }
    var header: [String: Value] = metadata.isEmpty ? [:] : ["__metadata__": .metadata(metadata)]
    var data = Data()
    for tensor in tensors {
      let start = data.count
      for value in tensor.values {
        withUnsafeBytes(of: value.bitPattern.littleEndian) { data.append(contentsOf: $0) }
      }
      header[tensor.name] = .tensor(Entry(shape: tensor.shape, offsets: [start, data.count]))
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // Strings and integers always encode.
    var text = try! encoder.encode(header)
    // Readers that map the file like the data to begin on a multiple of 8; JSON may end in spaces.
    text.append(contentsOf: repeatElement(UInt8(ascii: " "), count: (8 - text.count % 8) % 8))
    var file = Data()
    withUnsafeBytes(of: UInt64(text.count).littleEndian) { file.append(contentsOf: $0) }
    file.append(text)
    file.append(data)
    return file
  }

  /// Writes the file: it appears whole or not at all.
  ///
  /// - Throws: ``ModelError`` with code `unwritable`.
  package func write(to url: URL) throws(ModelError) {
    do {
      try encoded.write(to: url, options: .atomic)
    } catch {
      throw .unwritable(url.path, reason: systemReason(of: error))
    }
  }
}
