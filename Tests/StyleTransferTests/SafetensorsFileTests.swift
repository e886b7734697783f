import Foundation
import StyleTransfer
import Testing

@Suite("Safetensors files")
struct SafetensorsFileTests {
  /// A file with this header, its true length in front of it, and this many bytes of data behind it.
  static func file(_ header: String, data: Int = 0, declaredLength: UInt64? = nil) -> Data {
    var bytes = Data()
    withUnsafeBytes(of: (declaredLength ?? UInt64(header.utf8.count)).littleEndian) { bytes.append(contentsOf: $0) }
    bytes.append(contentsOf: header.utf8)
    bytes.append(Data((0..<data).map { UInt8(truncatingIfNeeded: $0) }))
    return bytes
  }

  static func entry(_ dtype: String, _ shape: String, _ offsets: String) -> String {
    #"{"dtype":"\#(dtype)","shape":\#(shape),"data_offsets":\#(offsets)}"#
  }

  static let nesting = String(repeating: "[", count: 100_000)

  static let malformedFiles: [(String, Data)] = [
    ("nothing at all", Data()),
    ("less than a header length", Data([1, 0, 0, 0, 0, 0, 0])),
    ("a length and nothing else", file("", declaredLength: 2)),
    ("a header longer than the file", file("{}", declaredLength: 3)),
    ("a header of 2^63 bytes", file("{}", declaredLength: 1 << 63)),
    ("a header of 2^64 - 1 bytes", file("{}", declaredLength: .max)),
    ("a header of 100 MB", file("{}", declaredLength: 100_000_000)),
    ("an empty header", file("")),
    ("text", Data("This is not a model. It is a sentence.".utf8)),
    ("a picture", Data([0xFF, 0xD8, 0xFF, 0xE0, 0, 0x10, 0x4A, 0x46, 0x49, 0x46, 0, 1])),
    ("a header that breaks off", file(#"{"a":{"dtype":"F32""#)),
    ("a header of another encoding", file("{\0\"\0a\0\"\0}\0")),
    ("a header that is a list", file("[]")),
    ("a header that is null", file("null")),
    ("a header of a hundred thousand lists", file(nesting)),
    ("a tensor of a hundred thousand lists", file(#"{"a":"# + nesting)),
    ("a tensor that is a number", file(#"{"a":3}"#)),
    ("a tensor without a type", file(#"{"a":{"shape":[],"data_offsets":[0,4]}}"#, data: 4)),
    ("a tensor without a shape", file(#"{"a":{"dtype":"F32","data_offsets":[0,4]}}"#, data: 4)),
    ("a tensor without offsets", file(#"{"a":{"dtype":"F32","shape":[]}}"#, data: 4)),
    ("an unknown type", file(#"{"a":\#(entry("Q4", "[1]", "[0,4]"))}"#, data: 4)),
    ("a negative dimension", file(#"{"a":\#(entry("F32", "[-1]", "[0,4]"))}"#, data: 4)),
    ("two negative dimensions", file(#"{"a":\#(entry("F32", "[-1,-1]", "[0,4]"))}"#, data: 4)),
    ("a fractional dimension", file(#"{"a":\#(entry("F32", "[1.5]", "[0,4]"))}"#, data: 4)),
    ("a dimension that is text", file(#"{"a":\#(entry("F32", "[\"1\"]", "[0,4]"))}"#, data: 4)),
    ("a dimension beyond 64 bits", file(#"{"a":\#(entry("F32", "[1e300]", "[0,4]"))}"#, data: 4)),
    (
      "dimensions whose product wraps around to fit",
      file(#"{"a":\#(entry("F32", "[4294967296,4294967296]", "[0,0]"))}"#)
    ),
    (
      "dimensions whose byte count wraps around to fit",
      file(#"{"a":\#(entry("F32", "[4611686018427387904]", "[0,0]"))}"#)
    ),
    ("offsets in reverse", file(#"{"a":\#(entry("F32", "[1]", "[4,0]"))}"#, data: 4)),
    ("negative offsets", file(#"{"a":\#(entry("F32", "[1]", "[-4,0]"))}"#, data: 4)),
    ("one offset", file(#"{"a":\#(entry("F32", "[1]", "[4]"))}"#, data: 4)),
    ("three offsets", file(#"{"a":\#(entry("F32", "[1]", "[0,4,4]"))}"#, data: 4)),
    ("offsets beyond the end", file(#"{"a":\#(entry("F32", "[2]", "[0,8]"))}"#, data: 4)),
    ("the largest offsets", file(#"{"a":\#(entry("U8", "[1]", "[9223372036854775806,9223372036854775807]"))}"#)),
    ("more bytes than the shape asks for", file(#"{"a":\#(entry("F32", "[1]", "[0,8]"))}"#, data: 8)),
    ("fewer bytes than the shape asks for", file(#"{"a":\#(entry("F32", "[2]", "[0,4]"))}"#, data: 4)),
    ("a gap in front", file(#"{"a":\#(entry("F32", "[1]", "[4,8]"))}"#, data: 8)),
    (
      "a gap between",
      file(#"{"a":\#(entry("U8", "[1]", "[0,1]")),"b":\#(entry("U8", "[1]", "[2,3]"))}"#, data: 3)
    ),
    (
      "an overlap",
      file(#"{"a":\#(entry("U8", "[2]", "[0,2]")),"b":\#(entry("U8", "[2]", "[1,3]"))}"#, data: 3)
    ),
    ("bytes after the last tensor", file(#"{"a":\#(entry("F32", "[1]", "[0,4]"))}"#, data: 5)),
    ("data and no tensors", file("{}", data: 1)),
    ("metadata that is a list", file(#"{"__metadata__":[]}"#)),
    ("metadata that is a number", file(#"{"__metadata__":{"a":1}}"#)),
  ]

  @Test("a malformed file is refused by name", arguments: malformedFiles)
  func malformed(kind: String, bytes: Data) {
    let error = #expect(throws: ModelError.self) { try SafetensorsFile(bytes: bytes, name: "some file") }
    #expect(error?.code == .malformedFile, "\(kind)")
    #expect(error?.description.hasPrefix("some file: ") == true)
  }

  @Test func `a file cut off anywhere is refused`() throws {
    let whole = try Data(contentsOf: TestData.golden("tiny-model.safetensors"))
    for length in Array(0..<64) + Array(stride(from: 64, to: whole.count, by: 101)) + [whole.count - 1] {
      #expect(throws: ModelError.self) { try StyleModel(bytes: whole.prefix(length), name: "cut") }
    }
  }

  @Test func `a file with damaged bytes is refused or loaded, and never crashes`() throws {
    let whole = try Data(contentsOf: TestData.golden("tiny-model.safetensors"))
    let headerLength = Int(whole[0]) + Int(whole[1]) << 8 + 8
    var state: UInt64 = 1
    var refused = 0
    for _ in 0..<1500 {
      var damaged = whole
      for _ in 0..<2 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        damaged[Int(state >> 33) % headerLength] = UInt8(truncatingIfNeeded: state >> 24)
      }
      do {
        _ = try StyleModel(bytes: damaged, name: "damaged")
      } catch {
        refused += 1
      }
    }
    #expect(refused > 1000)
  }

  @Test func `a slice of a larger buffer is a file like any other`() throws {
    let padded = Data(repeating: 0xAA, count: 13) + (try Data(contentsOf: TestData.golden("tiny-model.safetensors")))
    let model = try StyleModel(bytes: padded[13...], name: "slice")
    #expect(model.provenance.hasPrefix("random numbers"))
  }

  @Test func `numbers are widened from half precision exactly`() throws {
    let halves: [(UInt16, Float)] = [
      (0x0000, 0), (0x8000, -0.0), (0x3C00, 1), (0xC000, -2), (0x7BFF, 65504), (0x0001, 0x1p-24),
      (0x83FF, -0x1.ff8p-15),
      (0x7C00, .infinity), (0xFC00, -.infinity),
    ]
    var bytes = Self.file(#"{"a":\#(Self.entry("F16", "[9]", "[0,18]"))}"#)
    for (pattern, _) in halves { bytes.append(contentsOf: [UInt8(pattern & 0xFF), UInt8(pattern >> 8)]) }
    let values = try SafetensorsFile(bytes: bytes, name: "halves").floats("a")
    #expect(values.map(\.bitPattern) == halves.map(\.1.bitPattern))
  }

  @Test func `tensors may lie at any byte, hold nothing, and be of types that are not read`() throws {
    let header =
      #"{"__metadata__":{"key":"value"},"odd":\#(Self.entry("U8", "[3]", "[0,3]")),"#
      + #""none":\#(Self.entry("F32", "[0,5]", "[3,3]")),"number":\#(Self.entry("F32", "[]", "[3,7]")),"#
      + #""long":\#(Self.entry("I64", "[1]", "[7,15]"))}   "#
    let file = try SafetensorsFile(bytes: Self.file(header, data: 15), name: "mixed")
    #expect(file.metadata == ["key": "value"])
    #expect(try file.bytes("odd") == [0, 1, 2])
    #expect(try file.floats("none") == [])
    #expect(try file.floats("number").map(\.bitPattern) == [0x0605_0403])
    for name in ["odd", "long", "absent"] {
      let error = #expect(throws: ModelError.self) { try file.floats(name) }
      #expect(error?.code == .invalidTensor)
      #expect(error?.place == "mixed, tensor '\(name)'")
    }
    #expect(throws: ModelError.self) { try file.bytes("number") }
  }

  @Test func `what is written is read back`() throws {
    let folder = try TestData.temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    var contents = SafetensorsContents()
    contents.metadata = ["words": "quotes \" slashes / and\nlines", "empty": ""]
    contents.add("b", shape: [2, 3], values: [1, 2, 3, -0.5, .leastNonzeroMagnitude, 1e30])
    contents.add("a", shape: [], values: [7])
    let url = folder.appending(component: "file.safetensors")
    try contents.write(to: url)

    let file = try SafetensorsFile(contentsOf: url)
    #expect(file.metadata == contents.metadata)
    #expect(file.tensors.keys.sorted() == ["a", "b"])
    #expect(file.tensors["b"]?.shape == [2, 3])
    #expect(try file.floats("b") == [1, 2, 3, -0.5, .leastNonzeroMagnitude, 1e30])
    #expect(try file.floats("a") == [7])
    #expect(contents.encoded == (try Data(contentsOf: url)))
  }

  @Test func `a path that is no readable file is refused, without waiting`() throws {
    let folder = try TestData.temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let pipe = folder.appending(component: "pipe")
    try #require(mkfifo(pipe.path, 0o600) == 0)
    let absent = folder.appending(component: "absent")
    for url in [folder, pipe, absent, URL(fileURLWithPath: "/dev/zero")] {
      let error = #expect(throws: ModelError.self) { try SafetensorsFile(contentsOf: url) }
      #expect(error?.code == .unreadable)
      #expect(error?.isTransient == false)
      #expect(error?.place == url.path)
    }
    let error = #expect(throws: ModelError.self) {
      try SafetensorsContents().write(to: absent.appending(component: "file"))
    }
    #expect(error?.code == .unwritable)
  }
}
