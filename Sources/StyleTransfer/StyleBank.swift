import Foundation

/// Named styles that need no picture, and optionally a Gaussian that yields endless new ones.
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
  }

  /// The named styles in the order of the file.
  public let entries: [Entry]
  /// Nil when the bank has only named styles.
  public let gaussian: Gaussian?
  /// Where the embeddings come from.
  public let provenance: String
  /// The licence of the embeddings.
  public let licence: String

  /// Loads a bank.
  /// - Throws: ``ModelError``.
  public init(contentsOf url: URL) throws(ModelError) { fatalError("not yet") }
}
