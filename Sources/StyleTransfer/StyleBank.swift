import FoundationEssentials
import Glibc

/// Named styles that need no picture.
///
/// For example:
///
///     let bank = try StyleBank(contentsOf: url)
///     let waves = bank.entries[0].embedding
package struct StyleBank: Sendable {
  /// One named style.
  package struct Entry: Sendable, Hashable {
    /// Unique in the bank.
    package let name: String
    /// Its embedding.
    package let embedding: StyleEmbedding

    /// A named style.
    package init(name: String, embedding: StyleEmbedding) {
      self.name = name
      self.embedding = embedding
    }
  }

  /// The named styles in the order of the file.
  package let entries: [Entry]
  /// How long its embeddings are.
  package let embeddingLength: Int
  /// Where the embeddings come from.
  package let provenance: String
  /// The licence of the embeddings.
  package let licence: String

  /// A bank from its parts.
  ///
  /// - Parameters:
  ///   - embeddingLength: how long embeddings are, 100 for every published network.
  ///   - entries: named styles, at least one; names must be distinct.
  ///   - provenance: where the embeddings come from.
  ///   - licence: their licence.
  /// - Throws: ``ModelError`` with code `invalidMetadata` when a name occurs twice or there is nothing in the bank, and
  ///   `invalidEmbedding` when a length is wrong.
  package init(
    embeddingLength: Int, entries: [Entry], provenance: String, licence: String
  ) throws(ModelError) {
    var names: Set<String> = []
    for entry in entries {
      guard names.insert(entry.name).inserted else {
        throw ModelError(
          .invalidMetadata, at: "style bank", "the name '\(entry.name)' occurs twice",
          remedy: "give every style its own name")
      }
    }
    guard !entries.isEmpty else {
      throw ModelError(.invalidMetadata, at: "style bank", "it has no styles", remedy: "add at least one")
    }
    if let wrong = entries.map(\.embedding.values.count).first(where: { $0 != embeddingLength }) {
      throw ModelError(
        .invalidEmbedding, at: "style bank", "an embedding has \(wrong) numbers, the others \(embeddingLength)",
        remedy: "put only embeddings of one model into a bank")
    }
    self.entries = entries
    self.embeddingLength = embeddingLength
    self.provenance = provenance
    self.licence = licence
  }

  /// Loads a bank.
  ///
  /// - Parameter url: a safetensors file as docs/model-format.md describes it.
  /// - Throws: ``ModelError`` when the file cannot be read, is damaged, or is not a style bank.
  package init(contentsOf url: URL) throws(ModelError) {
    try self.init(SafetensorsFile(contentsOf: url))
  }

  /// Loads a bank from memory, for example one that is compiled into the program.
  ///
  /// - Parameters:
  ///   - bytes: the contents of a bank file.
  ///   - name: what errors call it.
  /// - Throws: ``ModelError`` as ``init(contentsOf:)``.
  package init(bytes: Data, name: String) throws(ModelError) {
    try self.init(SafetensorsFile(bytes: bytes, name: name))
  }

  private init(_ file: SafetensorsFile) throws(ModelError) {
    guard let shape = file.tensors["embeddings"]?.shape, shape.count == 2, (1...4096).contains(shape[1]) else {
      throw file.invalidTensor(
        "embeddings", "a style bank needs it, as a matrix with one row for each style and 1 to 4096 columns",
        remedy: "write the bank as docs/model-format.md says")
    }
    // The two last were a distribution that nothing draws from; files that still have them are as good as others.
    for surplus in file.tensors.keys.sorted() where !["embeddings", "mean", "factor"].contains(surplus) {
      throw file.invalidTensor(
        surplus, "a style bank has no such tensor", remedy: "leave it out; is this a model file?")
    }
    let (count, length) = (shape[0], shape[1])
    guard let names = try? JSONDecoder().decode([String].self, from: Data(file.requiredMetadata("names").utf8)),
      names.count == count
    else {
      throw ModelError(
        .invalidMetadata, at: "\(file.name), metadata key 'names'", "it is not a JSON array of \(count) strings",
        remedy: "write one name for each row of the tensor 'embeddings'")
    }
    let values = try file.floats("embeddings", shape: shape)
    guard count > 0 else {
      throw file.invalidTensor("embeddings", "it holds no styles", remedy: "add at least one")
    }
    try self.init(
      embeddingLength: length,
      entries: names.enumerated().map { index, name in
        Entry(name: name, embedding: StyleEmbedding(Array(values[index * length..<(index + 1) * length])))
      },
      provenance: file.requiredMetadata("provenance"), licence: file.requiredMetadata("licence"))
  }

  /// Writes the bank as a file that ``init(contentsOf:)`` reads.
  ///
  /// - Throws: ``ModelError`` with code `unwritable`.
  package func write(to url: URL) throws(ModelError) {
    var contents = SafetensorsContents()
    // An array of strings always encodes.
    contents.metadata["names"] = String(decoding: try! JSONEncoder().encode(entries.map(\.name)), as: UTF8.self)
    contents.metadata["provenance"] = provenance
    contents.metadata["licence"] = licence
    contents.add(
      "embeddings", shape: [entries.count, embeddingLength], values: entries.flatMap(\.embedding.values))
    try contents.write(to: url)
  }

  /// Refuses a bank whose embeddings are not of a model's length.
  ///
  /// - Parameter name: what the error calls the bank.
  /// - Throws: ``ModelError`` with code `invalidEmbedding`.
  package func checkFit(to model: StyleModel, at name: String) throws(ModelError) {
    let wanted = model.architecture.embedding
    if embeddingLength == wanted { return }
    throw ModelError(
      .invalidEmbedding, at: name, "its embeddings have \(embeddingLength) numbers, and those of the model \(wanted)",
      remedy: "use a style bank that was made for this model")
  }
}
