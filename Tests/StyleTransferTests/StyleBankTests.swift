import Foundation
import StyleTransfer
import Testing

@Suite("Style banks")
struct StyleBankTests {
  static let entries = [
    StyleBank.Entry(name: "waves", embedding: StyleEmbedding([1, 2, 3])),
    StyleBank.Entry(name: "Stern/\"Nacht\" ★", embedding: StyleEmbedding([-1, 0.5, 0])),
  ]
  static let gaussian = StyleBank.Gaussian(mean: [1, -1, 0.5], factor: [2, 0, 0, 1, 0.5, 0, -1, 0, 3])

  /// Mixes a counter, so that every seed is a stream of its own.
  struct Generator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var mixed = state
      mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
      mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
      return mixed ^ (mixed >> 31)
    }
  }

  @Test("a bank is read back as it was written", arguments: [true, false])
  func roundTrip(hasGaussian: Bool) throws {
    let folder = try TestData.temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let url = folder.appending(component: "bank.safetensors")
    let bank = try StyleBank(
      embeddingLength: 3, entries: Self.entries, gaussian: hasGaussian ? Self.gaussian : nil, provenance: "made up",
      licence: "CC0-1.0")
    try bank.write(to: url)
    let copy = try StyleBank(contentsOf: url)
    #expect(copy.entries == Self.entries)
    #expect(copy.gaussian == bank.gaussian)
    #expect(copy.embeddingLength == 3)
    #expect(copy.provenance == "made up")
    #expect(copy.licence == "CC0-1.0")
  }

  @Test func `a sample is mean plus factor times draws`() {
    #expect(Self.gaussian.embedding(draws: [0, 0, 0]).values == [1, -1, 0.5])
    // 1 + 2, -1 + 1 + 0.5 * 2, 0.5 - 1 - 3
    #expect(Self.gaussian.embedding(draws: [1, 2, -1]).values == [3, 1, -3.5])
  }

  @Test func `samples have the mean and covariance of the Gaussian`() throws {
    let bank = try StyleBank(embeddingLength: 3, entries: [], gaussian: Self.gaussian, provenance: "", licence: "")
    var generator = Generator(state: 7)
    let count = 20_000
    let samples = try (0..<count).map { _ in try bank.sample(using: &generator).values.map(Double.init) }
    // factor times its transpose, by hand.
    let covariance: [[Double]] = [[4, 2, -2], [2, 1.25, -1], [-2, -1, 10]]
    let mean = [1, -1, 0.5]
    for row in 0..<3 {
      let average = samples.reduce(0) { $0 + $1[row] } / Double(count)
      // Five standard errors.
      #expect(abs(average - mean[row]) < 5 * (covariance[row][row] / Double(count)).squareRoot())
      for column in 0..<3 {
        let product = samples.reduce(0) { $0 + ($1[row] - mean[row]) * ($1[column] - mean[column]) } / Double(count)
        let spread =
          covariance[row][row] * covariance[column][column] + covariance[row][column] * covariance[row][column]
        #expect(abs(product - covariance[row][column]) < 5 * (spread / Double(count)).squareRoot())
      }
    }
  }

  @Test func `equal generators give equal samples, and extreme draws stay finite`() throws {
    struct Constant: RandomNumberGenerator {
      let value: UInt64
      mutating func next() -> UInt64 { value }
    }
    let bank = try StyleBank(embeddingLength: 3, entries: [], gaussian: Self.gaussian, provenance: "", licence: "")
    var first = Generator(state: 3)
    var second = Generator(state: 3)
    #expect(try bank.sample(using: &first) == bank.sample(using: &second))
    for value in [0, UInt64.max] {
      var constant = Constant(value: value)
      #expect(try bank.sample(using: &constant).values.allSatisfy(\.isFinite))
    }
  }

  @Test func `a bank without a Gaussian refuses to sample`() throws {
    let bank = try StyleBank(
      embeddingLength: 3, entries: Self.entries, gaussian: nil, provenance: "", licence: "")
    var generator = Generator(state: 1)
    let error = #expect(throws: ModelError.self) { try bank.sample(using: &generator) }
    #expect(error?.code == .noGaussian)
  }

  @Test func `a bank must hold something, under distinct names, of one length`() {
    func code(_ entries: [StyleBank.Entry], _ gaussian: StyleBank.Gaussian?, length: Int = 3) -> ModelError.Code? {
      #expect(throws: ModelError.self) {
        try StyleBank(embeddingLength: length, entries: entries, gaussian: gaussian, provenance: "", licence: "")
      }?.code
    }
    #expect(code([], nil) == .invalidMetadata)
    #expect(code([Self.entries[0], Self.entries[0]], nil) == .invalidMetadata)
    #expect(code(Self.entries, Self.gaussian, length: 4) == .invalidEmbedding)
  }

  @Test func `files that are no banks are refused`() throws {
    func code(_ change: (inout SafetensorsContents) -> Void) -> ModelError.Code? {
      var contents = SafetensorsContents()
      contents.metadata = ["names": #"["one","two"]"#, "provenance": "", "licence": ""]
      change(&contents)
      return #expect(throws: ModelError.self) { try StyleBank(bytes: contents.encoded, name: "bank") }?.code
    }
    func addStyles(_ contents: inout SafetensorsContents) {
      contents.add("embeddings", shape: [2, 3], values: [1, 2, 3, 4, 5, 6])
    }
    #expect(code { _ in } == .invalidTensor)
    #expect(code { $0.add("embeddings", shape: [6], values: [1, 2, 3, 4, 5, 6]) } == .invalidTensor)
    #expect(code { $0.add("embeddings", shape: [2, 0], values: []) } == .invalidTensor)
    #expect(code { $0.add("embeddings", shape: [2, 1], values: [1, .nan]) } == .invalidTensor)
    #expect(
      code {
        addStyles(&$0)
        $0.metadata["names"] = #"["one"]"#
      } == .invalidMetadata)
    #expect(
      code {
        addStyles(&$0)
        $0.metadata["names"] = #"["one","one"]"#
      } == .invalidMetadata)
    #expect(
      code {
        addStyles(&$0)
        $0.metadata["names"] = nil
      } == .invalidMetadata)
    #expect(
      code {
        addStyles(&$0)
        $0.add("mean", shape: [3], values: [0, 0, 0])
      } == .invalidTensor)
    #expect(
      code {
        addStyles(&$0)
        $0.add("mean", shape: [3], values: [0, 0, 0])
        $0.add("factor", shape: [9], values: [Float](repeating: 0, count: 9))
      } == .invalidTensor)
    #expect(
      code {
        addStyles(&$0)
        $0.add("transformer.expand.2.shift.bias", shape: [1], values: [0])
      } == .invalidTensor)
    let model = try Data(contentsOf: TestData.golden("tiny-model.safetensors"))
    #expect(throws: ModelError.self) { try StyleBank(bytes: model, name: "model") }
  }
}
