import StyleTransfer
import Testing

@Suite("The Gaussian of styles")
struct StyleDistributionTests {
  /// Numbers without an order, the same at every run.
  private static func embeddings(count: Int, length: Int) -> [StyleEmbedding] {
    var state: UInt64 = 1
    return (0..<count).map { _ in
      StyleEmbedding(
        (0..<length).map { _ in
          state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
          return Float(Int64(bitPattern: state) >> 40) / 0x1p21
        })
    }
  }

  @Test(
    "has their mean and covariance, also where there are fewer than an embedding has numbers", arguments: [2, 4, 50])
  func moments(count: Int) throws {
    let length = 8
    let embeddings = Self.embeddings(count: count, length: length)
    let distribution = try #require(StyleDistribution(of: embeddings))
    for row in 0..<length {
      let mean = embeddings.reduce(0) { $0 + Double($1.values[row]) } / Double(count)
      #expect(abs(Double(distribution.mean[row]) - mean) < 1e-5)
      for column in 0..<length {
        let other = embeddings.reduce(0) { $0 + Double($1.values[column]) } / Double(count)
        let covariance =
          embeddings.reduce(0) { $0 + (Double($1.values[row]) - mean) * (Double($1.values[column]) - other) }
          / Double(count - 1)
        let product = (0..<length).reduce(0) {
          $0 + Double(distribution.factor[row * length + $1]) * Double(distribution.factor[column * length + $1])
        }
        #expect(abs(product - covariance) < 1e-3, "\(row), \(column)")
      }
    }
    // As many directions as there can be, the first of them the longest.
    let lengths = (0..<length).map { column in
      (0..<length).reduce(0) {
        $0 + distribution.factor[$1 * length + column] * distribution.factor[$1 * length + column]
      }
    }
    #expect(zip(lengths, lengths.dropFirst()).allSatisfy { $0 >= $1 - 1e-3 })
    #expect(lengths.count { $0 > 1e-3 } == min(count - 1, length))
  }

  @Test("gives the mean at 0, and moves by the factor's columns")
  func styles() throws {
    let distribution = StyleDistribution(mean: [1, -2], factor: [0.5, 3, 0, -1])
    #expect(distribution.embedding(at: [0, 0]).values == [1, -2])
    #expect(distribution.embedding(at: [2, 0]).values == [2, -2])
    #expect(distribution.embedding(at: [0, 1]).values == [4, -3])
  }

  @Test("is that of at least two different styles")
  func tooFew() {
    let one = StyleEmbedding([1, 2])
    #expect(StyleDistribution(of: []) == nil)
    #expect(StyleDistribution(of: [one]) == nil)
    #expect(StyleDistribution(of: [one, one, one]) == nil)
    #expect(StyleDistribution(of: [one, StyleEmbedding([1, 3])]) != nil)
  }
}
