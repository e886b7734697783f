import FoundationEssentials
import Glibc

/// Named styles that need no picture, and optionally a Gaussian that yields endless new ones.
///
/// For example:
///
///     let bank = try StyleBank(contentsOf: url)
///     let named = bank.entries[0].embedding
///     let fresh = try bank.sample(using: &generator)
public struct StyleBank: Sendable {
  /// One named style.
  public struct Entry: Sendable, Hashable {
    /// Unique in the bank.
    public let name: String
    /// Its embedding.
    public let embedding: StyleEmbedding

    /// A named style.
    public init(name: String, embedding: StyleEmbedding) {
      self.name = name
      self.embedding = embedding
    }
  }

  /// A normal distribution over embeddings: `mean + factor n`, n standard normal.
  public struct Gaussian: Sendable, Hashable {
    /// The centre.
    public let mean: [Float]
    /// `[length][length]`, row by row; the covariance is `factor` times its transpose.
    public let factor: [Float]

    /// A distribution; `factor` has as many rows and columns as `mean` has numbers.
    public init(mean: [Float], factor: [Float]) {
      precondition(factor.count == mean.count * mean.count, "the factor must be square and as wide as the mean is long")
      self.mean = mean
      self.factor = factor
    }

    /// The embedding that a vector of standard normal draws stands for.
    ///
    /// - Parameter draws: as many independent draws as an embedding has numbers.
    public func embedding(draws: [Float]) -> StyleEmbedding {
      precondition(draws.count == mean.count, "one draw is needed for each number of an embedding")
      var values = mean
      for row in values.indices {
        for column in draws.indices { values[row] += factor[row * mean.count + column] * draws[column] }
      }
      return StyleEmbedding(values)
    }
  }

  /// The named styles in the order of the file.
  public let entries: [Entry]
  /// Nil when the bank has only named styles.
  public let gaussian: Gaussian?
  /// How long its embeddings are.
  public let embeddingLength: Int
  /// Where the embeddings come from.
  public let provenance: String
  /// The licence of the embeddings.
  public let licence: String

  /// A bank from its parts.
  ///
  /// - Parameters:
  ///   - embeddingLength: how long embeddings are, 100 for every published network.
  ///   - entries: named styles; names must be distinct.
  ///   - gaussian: a distribution, if there is one.
  ///   - provenance: where the embeddings come from.
  ///   - licence: their licence.
  /// - Throws: ``ModelError`` with code `invalidMetadata` when a name occurs twice or there is nothing in the bank, and
  ///   `invalidEmbedding` when a length is wrong.
  public init(
    embeddingLength: Int, entries: [Entry], gaussian: Gaussian?, provenance: String, licence: String
  ) throws(ModelError) {
    var names: Set<String> = []
    for entry in entries {
      guard names.insert(entry.name).inserted else {
        throw ModelError(
          .invalidMetadata, at: "style bank", "the name '\(entry.name)' occurs twice",
          remedy: "give every style its own name")
      }
    }
    guard !entries.isEmpty || gaussian != nil else {
      throw ModelError(
        .invalidMetadata, at: "style bank", "it has neither styles nor a Gaussian", remedy: "add at least one style")
    }
    let lengths = entries.map(\.embedding.values.count) + (gaussian.map { [$0.mean.count] } ?? [])
    if let wrong = lengths.first(where: { $0 != embeddingLength }) {
      throw ModelError(
        .invalidEmbedding, at: "style bank", "an embedding has \(wrong) numbers, the others \(embeddingLength)",
        remedy: "put only embeddings of one model into a bank")
    }
    self.entries = entries
    self.gaussian = gaussian
    self.embeddingLength = embeddingLength
    self.provenance = provenance
    self.licence = licence
  }

  /// Loads a bank.
  ///
  /// - Parameter url: a safetensors file as docs/model-format.md describes it.
  /// - Throws: ``ModelError`` when the file cannot be read, is damaged, or is not a style bank.
  public init(contentsOf url: URL) throws(ModelError) {
    try self.init(SafetensorsFile(contentsOf: url))
  }

  /// Loads a bank from memory, for example one that is compiled into the program.
  ///
  /// - Parameters:
  ///   - bytes: the contents of a bank file.
  ///   - name: what errors call it.
  /// - Throws: ``ModelError`` as ``init(contentsOf:)``.
  public init(bytes: Data, name: String) throws(ModelError) {
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
    var gaussian: Gaussian?
    if file.tensors["mean"] != nil || file.tensors["factor"] != nil {
      gaussian = Gaussian(
        mean: try file.floats("mean", shape: [length]), factor: try file.floats("factor", shape: [length, length]))
    }
    try self.init(
      embeddingLength: length,
      entries: names.enumerated().map { index, name in
        Entry(name: name, embedding: StyleEmbedding(Array(values[index * length..<(index + 1) * length])))
      },
      gaussian: gaussian,
      provenance: file.requiredMetadata("provenance"), licence: file.requiredMetadata("licence"))
  }

  /// Writes the bank as a file that ``init(contentsOf:)`` reads.
  ///
  /// - Throws: ``ModelError`` with code `unwritable`.
  public func write(to url: URL) throws(ModelError) {
    var contents = SafetensorsContents()
    // An array of strings always encodes.
    contents.metadata["names"] = String(decoding: try! JSONEncoder().encode(entries.map(\.name)), as: UTF8.self)
    contents.metadata["provenance"] = provenance
    contents.metadata["licence"] = licence
    contents.add(
      "embeddings", shape: [entries.count, embeddingLength], values: entries.flatMap(\.embedding.values))
    if let gaussian {
      contents.add("mean", shape: [embeddingLength], values: gaussian.mean)
      contents.add("factor", shape: [embeddingLength, embeddingLength], values: gaussian.factor)
    }
    try contents.write(to: url)
  }

  /// A new style from the Gaussian.
  ///
  /// The generator is asked for two numbers for every two coordinates, in order, so that a keyed generator gives the same style
  /// anywhere.
  ///
  /// - Throws: ``ModelError`` with code `noGaussian` when the bank has only named styles.
  public func sample(using generator: inout some RandomNumberGenerator) throws(ModelError) -> StyleEmbedding {
    guard let gaussian else {
      throw ModelError(
        .noGaussian, at: "style bank", "it has only named styles, no distribution to draw from",
        remedy: "choose among its entries, or use a bank with the tensors 'mean' and 'factor'")
    }
    var draws: [Float] = []
    while draws.count < embeddingLength {
      let pair = normalPair(using: &generator)
      draws.append(pair.0)
      if draws.count < embeddingLength { draws.append(pair.1) }
    }
    return gaussian.embedding(draws: draws)
  }
}

/// Two independent standard normal numbers (Box and Muller), from exactly two draws of the generator.
private func normalPair(using generator: inout some RandomNumberGenerator) -> (Float, Float) {
  // The upper 53 bits; the first is moved away from zero, whose logarithm is infinite.
  let first = (Double(generator.next() >> 11) + 1) * 0x1p-53
  let second = Double(generator.next() >> 11) * 0x1p-53
  let radius = (-2 * log(first)).squareRoot()
  return (Float(radius * cos(2 * .pi * second)), Float(radius * sin(2 * .pi * second)))
}
