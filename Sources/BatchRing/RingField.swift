import CSASSLRing

/// One array of a batch's payload: row-major and without gaps.
package struct RingField: Sendable, Hashable {
  /// Type of an array's elements.
  package enum ElementType: UInt32, Sendable, CaseIterable {
    case uint8 = 1
    case int8 = 2
    case uint16 = 3
    case int16 = 4
    case uint32 = 5
    case int32 = 6
    case uint64 = 7
    case int64 = 8
    case float16 = 9
    case bfloat16 = 10
    case float32 = 11
    case float64 = 12
    case bool8 = 13

    /// Bytes of one element.
    package var byteCount: Int { Int(sassl_ring_dtype_bytes(rawValue)) }
  }

  /// 1 to 31 letters, digits, `-` or `_`, such as `view0`, `label` or `alpha`.
  package let name: String
  /// Type of the elements.
  package let type: ElementType
  /// Lengths along each axis, outermost first; at most 8, each at least 1.
  package let shape: [Int]

  /// Describes an array; whether the description is allowed is checked when a ring is created.
  package init(name: String, type: ElementType, shape: [Int]) {
    self.name = name
    self.type = type
    self.shape = shape
  }

  /// Number of elements.
  package var count: Int { shape.reduce(1, *) }
  /// Number of bytes.
  package var byteCount: Int { count * type.byteCount }

  init(_ field: sassl_ring_field) {
    name = string(fromTuple: field.name)
    type = ElementType(rawValue: field.dtype) ?? .uint8
    shape = withUnsafeBytes(of: field.shape) { bytes in
      bytes.bindMemory(to: UInt64.self).prefix(Int(field.dimensions)).map { Int($0) }
    }
  }

  func makeC() throws(RingError) -> sassl_ring_field {
    let letters = Array(name.utf8)
    let isRepresentable =
      letters.count < Int(SASSL_RING_FIELD_NAME_BYTES) && shape.count <= Int(SASSL_RING_MAXIMUM_DIMENSIONS)
      && shape.allSatisfy { $0 > 0 }
    guard isRepresentable else {
      throw RingError(
        kind: .argument,
        description:
          "field '\(name)' of shape \(shape) needs a name of at most 31 letters and at most 8 positive dimensions")
    }
    var field = sassl_ring_field()
    withUnsafeMutableBytes(of: &field.name) { $0.copyBytes(from: letters) }
    field.dtype = type.rawValue
    field.dimensions = UInt32(shape.count)
    withUnsafeMutableBytes(of: &field.shape) { bytes in
      let lengths = bytes.bindMemory(to: UInt64.self)
      for (axis, length) in shape.enumerated() { lengths[axis] = UInt64(length) }
    }
    return field
  }
}

extension RingError {
  init(kind: Kind, description: String) {
    self.kind = kind
    self.description = description
    systemErrorNumber = 0
    holderProcess = 0
    neededBytes = 0
    availableBytes = 0
  }
}

/// A C array of characters, which Swift sees as a tuple.
func string<Tuple>(fromTuple tuple: Tuple) -> String {
  withUnsafeBytes(of: tuple) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
}

/// A C array of bytes, which Swift sees as a tuple.
func bytes<Tuple>(ofTuple tuple: Tuple) -> [UInt8] { withUnsafeBytes(of: tuple) { Array($0) } }
