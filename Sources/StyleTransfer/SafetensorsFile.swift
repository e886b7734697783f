import FoundationEssentials
import Glibc

/// The contents of a safetensors file: named tensors and a few strings.
///
/// Everything is checked when the file is opened: the header is well-formed JSON, every tensor lies inside the file, has the
/// size its shape asks for, and together they cover the data without gap or overlap. Later access cannot go astray.
package struct SafetensorsFile: Sendable {
  /// What a tensor is made of. Only `f32`, `f16` and `u8` can be read out; the others are recognised so that a file that
  /// also holds them can be opened.
  package enum ElementType: String, Sendable, Decodable {
    case f64 = "F64"
    case f32 = "F32"
    case f16 = "F16"
    case bf16 = "BF16"
    case i64 = "I64"
    case i32 = "I32"
    case i16 = "I16"
    case i8 = "I8"
    case u8 = "U8"
    case bool = "BOOL"

    /// Bytes of one element.
    package var byteCount: Int {
      switch self {
      case .f64, .i64: 8
      case .f32, .i32: 4
      case .f16, .bf16, .i16: 2
      case .i8, .u8, .bool: 1
      }
    }
  }

  /// Type, shape and place of one tensor.
  package struct Tensor: Sendable, Hashable {
    /// What it is made of.
    package let elementType: ElementType
    /// Outermost dimension first; empty for a single number.
    package let shape: [Int]
    /// Its bytes, counted from the end of the header.
    package let byteRange: Range<Int>
    /// Number of elements.
    package var count: Int { byteRange.count / elementType.byteCount }
  }

  /// Larger files are refused unread: the largest published network of this kind is 40 MB.
  package static let maximumByteCount = 1 << 30
  /// Larger headers are refused unread: a few hundred tensors need a few tens of kilobytes.
  package static let maximumHeaderByteCount = 1 << 22

  /// What errors call the file: its path, or the name it was given.
  package let name: String
  /// The strings under `__metadata__`.
  package let metadata: [String: String]
  /// Every tensor by name.
  package let tensors: [String: Tensor]
  private let bytes: Data
  private let dataStart: Int

  /// Reads and checks a file.
  ///
  /// The file is read, not mapped: a mapped file that someone truncates later would kill the process.
  ///
  /// - Throws: ``ModelError`` with code `unreadable` or `malformedFile`.
  package init(contentsOf url: URL) throws(ModelError) {
    try self.init(bytes: Self.read(url.path), name: url.path)
  }

  /// Checks a file that is in memory already.
  ///
  /// - Parameters:
  ///   - bytes: the whole file.
  ///   - name: what errors call it.
  /// - Throws: ``ModelError`` with code `malformedFile`.
  package init(bytes: Data, name: String) throws(ModelError) {
    func malformed(_ problem: String) -> ModelError {
      ModelError(
        .malformedFile, at: name, problem,
        remedy: "use a complete safetensors file; this one may be cut off or of another kind")
    }

    guard bytes.count >= 8 else { throw malformed("\(bytes.count) bytes are too few for a safetensors file") }
    let declared = bytes.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
    guard declared <= UInt64(Self.maximumHeaderByteCount) else {
      throw malformed("its header claims \(declared) bytes, more than \(Self.maximumHeaderByteCount)")
    }
    guard declared <= UInt64(bytes.count - 8) else {
      throw malformed("its header claims \(declared) bytes, but \(bytes.count - 8) follow")
    }
    let dataStart = 8 + Int(declared)
    let header = bytes.subdata(in: bytes.startIndex + 8..<bytes.startIndex + dataStart)
    guard header.first == UInt8(ascii: "{") else { throw malformed("its header is not a JSON object") }

    let decoded: Header
    do {
      decoded = try JSONDecoder().decode(Header.self, from: header)
    } catch {
      throw malformed("its header cannot be understood (\(Self.explain(error)))")
    }

    let available = bytes.count - dataStart
    for (tensor, entry) in decoded.tensors {
      guard let wanted = entry.wantedByteCount else {
        throw malformed("tensor '\(tensor)' has an impossible shape \(entry.shape)")
      }
      guard entry.offsets.count == 2, entry.offsets[0] >= 0, entry.offsets[0] <= entry.offsets[1] else {
        throw malformed("tensor '\(tensor)' has impossible offsets \(entry.offsets)")
      }
      guard entry.offsets[1] <= available else {
        throw malformed("tensor '\(tensor)' ends at byte \(entry.offsets[1]) of \(available)")
      }
      guard entry.offsets[1] - entry.offsets[0] == wanted else {
        throw malformed(
          "tensor '\(tensor)' holds \(entry.offsets[1] - entry.offsets[0]) bytes, its shape \(entry.shape) asks for \(wanted)"
        )
      }
    }
    let tensors = decoded.tensors.mapValues {
      Tensor(elementType: $0.elementType, shape: $0.shape, byteRange: $0.offsets[0]..<$0.offsets[1])
    }
    var covered = 0
    for range in tensors.values.map(\.byteRange).sorted(by: {
      ($0.lowerBound, $0.upperBound) < ($1.lowerBound, $1.upperBound)
    }) {
      guard range.lowerBound == covered else {
        throw malformed("its tensors leave a gap or overlap at byte \(min(covered, range.lowerBound)) of the data")
      }
      covered = range.upperBound
    }
    guard covered == available else { throw malformed("\(available - covered) bytes follow the last tensor") }

    self.name = name
    self.metadata = decoded.metadata
    self.tensors = tensors
    self.bytes = bytes
    self.dataStart = dataStart
  }

  /// The numbers of an `F32` or `F16` tensor, outermost dimension first; half precision is widened.
  ///
  /// - Throws: ``ModelError`` with code `invalidTensor` when there is no such tensor or it is of another type.
  package func floats(_ tensorName: String) throws(ModelError) -> [Float] {
    let tensor = try self.tensor(tensorName)
    switch tensor.elementType {
    case .f32:
      return elements(of: tensor, as: UInt32.self) { Float(bitPattern: UInt32(littleEndian: $0)) }
    case .f16:
      return elements(of: tensor, as: UInt16.self) { Float(Float16(bitPattern: UInt16(littleEndian: $0))) }
    default:
      throw invalidTensor(
        tensorName, "it is \(tensor.elementType.rawValue), not F32 or F16", remedy: "convert it to F32")
    }
  }

  /// The bytes of a `U8` tensor, outermost dimension first.
  ///
  /// - Throws: ``ModelError`` with code `invalidTensor` when there is no such tensor or it is of another type.
  package func bytes(_ tensorName: String) throws(ModelError) -> [UInt8] {
    let tensor = try self.tensor(tensorName)
    guard tensor.elementType == .u8 else {
      throw invalidTensor(tensorName, "it is \(tensor.elementType.rawValue), not U8", remedy: "convert it to U8")
    }
    return elements(of: tensor, as: UInt8.self) { $0 }
  }

  /// The numbers of a tensor whose shape is known beforehand, each of them finite.
  ///
  /// - Throws: ``ModelError`` with code `invalidTensor`.
  func floats(_ tensorName: String, shape: [Int]) throws(ModelError) -> [Float] {
    let tensor = try self.tensor(tensorName)
    guard tensor.shape == shape else {
      throw invalidTensor(
        tensorName, "its shape is \(tensor.shape), the architecture asks for \(shape)",
        remedy: "correct the architecture entry, or export the tensor again")
    }
    let values = try floats(tensorName)
    guard values.allSatisfy(\.isFinite) else {
      throw invalidTensor(
        tensorName, "it holds numbers that are infinite or not numbers",
        remedy: "use weights of a training run that converged")
    }
    return values
  }

  /// A metadata string that must be there.
  ///
  /// - Throws: ``ModelError`` with code `invalidMetadata`.
  func requiredMetadata(_ key: String) throws(ModelError) -> String {
    guard let value = metadata[key] else {
      throw ModelError(
        .invalidMetadata, at: name, "metadata key '\(key)' is missing",
        remedy: "write the file with `sasslctl model import` or as docs/model-format.md says")
    }
    return value
  }

  func invalidTensor(_ tensorName: String, _ problem: String, remedy: String) -> ModelError {
    ModelError(.invalidTensor, at: "\(name), tensor '\(tensorName)'", problem, remedy: remedy)
  }

  private func tensor(_ tensorName: String) throws(ModelError) -> Tensor {
    guard let tensor = tensors[tensorName] else {
      throw invalidTensor(
        tensorName, "it is missing", remedy: "export the file with every tensor that docs/model-format.md lists")
    }
    return tensor
  }

  private func elements<Raw: BitwiseCopyable, Element>(
    of tensor: Tensor, as raw: Raw.Type, _ convert: (Raw) -> Element
  ) -> [Element] {
    bytes.withUnsafeBytes { whole in
      let base = dataStart + tensor.byteRange.lowerBound
      return [Element](unsafeUninitializedCapacity: tensor.count) { buffer, count in
        for index in 0..<tensor.count {
          // Nothing aligns the data of a safetensors file.
          let value = whole.loadUnaligned(fromByteOffset: base + index * MemoryLayout<Raw>.size, as: Raw.self)
          buffer.initializeElement(at: index, to: convert(value))
        }
        count = tensor.count
      }
    }
  }

  /// The bytes of a file that should be a safetensors file; what is in it is not looked at.
  ///
  /// - Throws: ``ModelError`` with code `unreadable`.
  package static func read(_ path: String) throws(ModelError) -> Data {
    // Without O_NONBLOCK a path that names a pipe would wait for a writer.
    var descriptor: Int32
    repeat {
      descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    } while descriptor < 0 && errno == EINTR
    guard descriptor >= 0 else { throw .unreadable(path, "cannot be opened", errno: errno) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .unreadable(path, "cannot be examined", errno: errno) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw .unreadable(path, "is not a regular file") }
    guard status.st_size <= maximumByteCount else {
      throw .unreadable(path, "has \(status.st_size) bytes, more than \(maximumByteCount)")
    }
    var contents = Data(count: Int(status.st_size))
    var filled = 0
    while filled < contents.count {
      let received = contents.withUnsafeMutableBytes {
        Glibc.read(descriptor, $0.baseAddress! + filled, $0.count - filled)
      }
      if received < 0 && errno == EINTR { continue }
      guard received >= 0 else { throw .unreadable(path, "cannot be read", errno: errno) }
      guard received > 0 else { throw .unreadable(path, "became shorter while it was read") }
      filled += received
    }
    return contents
  }

  private static func explain(_ error: any Error) -> String {
    guard let error = error as? DecodingError else { return "\(error)" }
    func place(_ context: DecodingError.Context) -> String {
      let path = context.codingPath.map(\.stringValue).joined(separator: ".")
      return path.isEmpty ? "" : "at '\(path)': "
    }
    switch error {
    case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
      return place(context) + context.debugDescription
    case .keyNotFound(let key, let context):
      return place(context) + "'\(key.stringValue)' is missing"
    @unknown default:
      return "\(error)"
    }
  }
}

/// The JSON header: tensor entries beside one special key.
private struct Header: Decodable {
  struct Entry: Decodable {
    let elementType: SafetensorsFile.ElementType
    let shape: [Int]
    let offsets: [Int]

    enum CodingKeys: String, CodingKey {
      case elementType = "dtype"
      case shape
      case offsets = "data_offsets"
    }

    /// Bytes that the shape asks for; nil when a dimension is negative or the product overflows.
    var wantedByteCount: Int? {
      var product = elementType.byteCount
      for dimension in shape {
        let (next, overflows) = product.multipliedReportingOverflow(by: dimension)
        guard dimension >= 0, !overflows else { return nil }
        product = next
      }
      return product
    }
  }

  struct Key: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  var metadata: [String: String] = [:]
  var tensors: [String: Entry] = [:]

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    for key in container.allKeys {
      if key.stringValue == "__metadata__" {
        metadata = try container.decode([String: String].self, forKey: key)
      } else {
        tensors[key.stringValue] = try container.decode(Entry.self, forKey: key)
      }
    }
  }
}
