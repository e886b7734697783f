/// A style as the predictor writes it down: a short vector, 100 numbers for every published network.
package struct StyleEmbedding: Sendable, Hashable {
  /// The coordinates. No range is prescribed; pictures land within a few units of zero.
  package var values: [Float]

  /// An embedding with the given coordinates.
  package init(_ values: [Float]) { self.values = values }

  /// The point at fraction `alpha` of the way from this embedding to another: `(1 - alpha) self + alpha other`.
  ///
  /// - Parameters:
  ///   - other: the style to move toward, of the same length.
  ///   - alpha: 0 keeps this embedding, 1 gives the other.
  package func blended(toward other: StyleEmbedding, alpha: Float) -> StyleEmbedding {
    var result = self
    result.blend(toward: other, alpha: alpha)
    return result
  }

  /// Moves this embedding in place, without allocating, as ``blended(toward:alpha:)`` does.
  package mutating func blend(toward other: StyleEmbedding, alpha: Float) {
    precondition(values.count == other.values.count, "embeddings of different lengths cannot be blended")
    for index in values.indices {
      values[index] = (1 - alpha) * values[index] + alpha * other.values[index]
    }
  }
}
