/// Files that `numpy.load` reads: NPY format version 1.0.
enum NumPyFile {
  /// The bytes of a file that holds `values` as little-endian float32 in C order.
  static func encode(_ values: [Float], shape: [Int]) -> [UInt8] {
    precondition(shape.reduce(1, *) == values.count, "the shape must hold exactly the values")
    let dimensions = shape.map { "\($0)," }.joined(separator: " ")
    var header = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(dimensions)), }"
    // Magic, version and length take ten bytes; the data must begin at a multiple of 64.
    header += String(repeating: " ", count: 63 - (10 + header.utf8.count) % 64) + "\n"
    let length = UInt16(header.utf8.count)
    let prologue: [UInt8] = [0x93] + "NUMPY".utf8 + [1, 0, UInt8(length & 0xFF), UInt8(length >> 8)]
    return prologue + header.utf8
      + values.flatMap { value in withUnsafeBytes(of: value.bitPattern.littleEndian, Array.init) }
  }
}
