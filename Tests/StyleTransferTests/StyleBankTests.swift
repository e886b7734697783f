import Foundation
import StyleTransfer
import Testing

@Suite("Style banks")
struct StyleBankTests {
  static let entries = [
    StyleBank.Entry(name: "waves", embedding: StyleEmbedding([1, 2, 3])),
    StyleBank.Entry(name: "Stern/\"Nacht\" ★", embedding: StyleEmbedding([-1, 0.5, 0])),
  ]
  @Test func `a bank is read back as it was written`() throws {
    let folder = try TestData.temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let url = folder.appending(component: "bank.safetensors")
    let bank = try StyleBank(
      embeddingLength: 3, entries: Self.entries, provenance: "made up", licence: "CC0-1.0",
      distribution: StyleDistribution(of: Self.entries.map(\.embedding)), modelHash: "00000000000000ab")
    try bank.write(to: url)
    let copy = try StyleBank(contentsOf: url)
    #expect(copy.entries == Self.entries)
    #expect(copy.embeddingLength == 3)
    #expect(copy.provenance == "made up")
    #expect(copy.licence == "CC0-1.0")
    #expect(copy.distribution != nil && copy.distribution == bank.distribution)
    #expect(copy.modelHash == "00000000000000ab")
  }

  @Test func `a bank without a Gaussian or a model's hash has styles and nothing else`() throws {
    var contents = SafetensorsContents()
    contents.metadata = ["names": #"["one"]"#, "provenance": "", "licence": ""]
    contents.add("embeddings", shape: [1, 2], values: [1, 2])
    let bank = try StyleBank(bytes: contents.encoded, name: "bank")
    #expect(bank.entries == [StyleBank.Entry(name: "one", embedding: StyleEmbedding([1, 2]))])
    #expect(bank.distribution == nil && bank.modelHash == nil)
    let error = #expect(throws: ModelError.self) { try bank.requiredDistribution(at: "/b.safetensors") }
    #expect(error?.code == .noDistribution)
    #expect(error?.description.hasPrefix("/b.safetensors: it has no Gaussian to draw styles from;") == true)
  }

  @Test func `a bank fits models whose embeddings are as long as its own, and if it names one, that one alone`() throws
  {
    let model = StyleModel.embedded
    func bank(length: Int, modelHash: String?) throws -> StyleBank {
      try StyleBank(
        embeddingLength: length,
        entries: [.init(name: "one", embedding: StyleEmbedding([Float](repeating: 0, count: length)))], provenance: "",
        licence: "", modelHash: modelHash)
    }
    func refusal(_ bank: StyleBank) -> ModelError? {
      #expect(throws: ModelError.self) { try bank.checkFit(to: model, modelHash: "0b", at: "/b.safetensors") }
    }
    for hash in [nil, "0b"] { try bank(length: 100, modelHash: hash).checkFit(to: model, modelHash: "0b", at: "bank") }
    try StyleBank.embedded.checkFit(to: model, modelHash: "any", at: "bank")
    let short = try refusal(bank(length: 3, modelHash: "0b"))
    #expect(short?.code == .invalidEmbedding)
    #expect(
      short?.description.hasPrefix("/b.safetensors: its embeddings have 3 numbers, and those of the model 100;") == true
    )
    let foreign = try refusal(bank(length: 100, modelHash: "0a"))
    #expect(foreign?.code == .otherModel)
    #expect(
      foreign?.description.hasPrefix("/b.safetensors: its embeddings are of the model with the hash 0a, not 0b;")
        == true
    )
  }

  @Test func `a bank must hold something, under distinct names, of one length`() {
    func code(_ entries: [StyleBank.Entry], length: Int = 3) -> ModelError.Code? {
      #expect(throws: ModelError.self) {
        try StyleBank(embeddingLength: length, entries: entries, provenance: "", licence: "")
      }?.code
    }
    #expect(code([]) == .invalidMetadata)
    #expect(code([Self.entries[0], Self.entries[0]]) == .invalidMetadata)
    #expect(code(Self.entries, length: 4) == .invalidEmbedding)
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
        $0.metadata["names"] = "[]"
        $0.add("embeddings", shape: [0, 3], values: [])
        $0.add("mean", shape: [3], values: [0, 0, 0])
      } == .invalidTensor)
    #expect(
      code {
        addStyles(&$0)
        $0.add("transformer.expand.2.shift.bias", shape: [1], values: [0])
      } == .invalidTensor)
    // Half a Gaussian, and one of another size.
    #expect(
      code {
        addStyles(&$0)
        $0.add("mean", shape: [3], values: [0, 0, 0])
      } == .invalidTensor)
    #expect(
      code {
        addStyles(&$0)
        $0.add("mean", shape: [2], values: [0, 0])
        $0.add("factor", shape: [2, 2], values: [1, 0, 0, 1])
      } == .invalidTensor)
    let model = try Data(contentsOf: TestData.golden("tiny-model.safetensors"))
    #expect(throws: ModelError.self) { try StyleBank(bytes: model, name: "model") }
  }
}
