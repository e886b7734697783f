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
  /// The Gaussian of its styles, from which others are drawn; `nil` in a file without one.
  package let distribution: StyleDistribution?
  /// The hash of the model whose predictor wrote the embeddings down, in sixteen hexadecimal digits; `nil` where the file does not say,
  /// and they are for every model that shares their space.
  package let modelHash: String?

  /// A bank from its parts.
  ///
  /// - Parameters:
  ///   - embeddingLength: how long embeddings are, 100 for every published network.
  ///   - entries: named styles, at least one; names must be distinct.
  ///   - provenance: where the embeddings come from.
  ///   - licence: their licence.
  ///   - distribution: the Gaussian of the styles, of the same length.
  ///   - modelHash: the hash of the model that they belong to alone.
  /// - Throws: ``ModelError`` with code `invalidMetadata` when a name occurs twice or there is nothing in the bank, and
  ///   `invalidEmbedding` when a length is wrong.
  package init(
    embeddingLength: Int, entries: [Entry], provenance: String, licence: String, distribution: StyleDistribution? = nil,
    modelHash: String? = nil
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
    self.distribution = distribution
    self.modelHash = modelHash
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
    var distribution: StyleDistribution?
    if file.tensors["mean"] != nil || file.tensors["factor"] != nil {
      distribution = StyleDistribution(
        mean: try file.floats("mean", shape: [length]), factor: try file.floats("factor", shape: [length, length]))
    }
    try self.init(
      embeddingLength: length,
      entries: names.enumerated().map { index, name in
        Entry(name: name, embedding: StyleEmbedding(Array(values[index * length..<(index + 1) * length])))
      },
      provenance: file.requiredMetadata("provenance"), licence: file.requiredMetadata("licence"),
      distribution: distribution, modelHash: file.metadata["model"])
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
    contents.metadata["model"] = modelHash
    contents.add(
      "embeddings", shape: [entries.count, embeddingLength], values: entries.flatMap(\.embedding.values))
    if let distribution {
      contents.add("mean", shape: [embeddingLength], values: distribution.mean)
      contents.add("factor", shape: [embeddingLength, embeddingLength], values: distribution.factor)
    }
    try contents.write(to: url)
  }

  /// Refuses a bank whose embeddings are not of a model's length, or were written down by another model.
  ///
  /// - Parameters:
  ///   - modelHash: the model's hash, in sixteen hexadecimal digits.
  ///   - name: what the error calls the bank.
  /// - Throws: ``ModelError`` with code `invalidEmbedding` or `otherModel`.
  package func checkFit(to model: StyleModel, modelHash: String, at name: String) throws(ModelError) {
    let remedy = "use a style bank that was made for this model: 'sasslctl styles export --model' makes one"
    let wanted = model.architecture.embedding
    guard embeddingLength == wanted else {
      throw ModelError(
        .invalidEmbedding, at: name, "its embeddings have \(embeddingLength) numbers, and those of the model \(wanted)",
        remedy: remedy)
    }
    guard self.modelHash == nil || self.modelHash == modelHash else {
      throw ModelError(
        .otherModel, at: name, "its embeddings are of the model with the hash \(self.modelHash!), not \(modelHash)",
        remedy: remedy)
    }
  }

  /// The Gaussian of its styles.
  ///
  /// - Parameter name: what the error calls the bank.
  /// - Throws: ``ModelError`` with code `noDistribution`.
  package func requiredDistribution(at name: String) throws(ModelError) -> StyleDistribution {
    if let distribution { return distribution }
    throw ModelError(
      .noDistribution, at: name, "it has no Gaussian to draw styles from",
      remedy: "use a bank that 'sasslctl styles export' has made of at least two different styles")
  }
}
