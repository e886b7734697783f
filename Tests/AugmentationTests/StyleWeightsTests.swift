import Augmentation
import Testing

@Suite("Weights of styles")
struct StyleWeightsTests {
  private let names = ["a/one.png", "a/two.png", "b/one.png", "three.png"]

  private func shares(_ rules: [(String, Double)]) throws -> [Int] {
    let weights = try StyleWeights(rules.map { .init(pattern: $0, weight: $1) }, for: names)
    var counts = [Int](repeating: 0, count: names.count)
    // Every share of the whole, none left out: multiples of the least that there is here.
    for number in 0..<4096 { counts[weights.index(at: (Double(number) + 0.5) / 4096)] += 1 }
    return counts
  }

  @Test("divide the whole in proportion, 1 for each style that no rule is about, and the last rule counts")
  func proportions() throws {
    #expect(try shares([("three.png", 1)]) == [1024, 1024, 1024, 1024])
    #expect(try shares([("a/*", 3), ("three.png", 1)]) == [1536, 1536, 512, 512])
    #expect(try shares([("*", 0), ("*one.png", 1), ("a/one.png", 3)]) == [3072, 0, 1024, 0])
    #expect(try shares([("three.png", 5), ("[abt]*", 2)]) == [1024, 1024, 1024, 1024])
  }

  @Test("never lead to a style of weight 0, at the very ends neither")
  func ends() throws {
    let weights = try StyleWeights(
      [.init(pattern: "a/one.png", weight: 0), .init(pattern: "three.png", weight: 0)], for: names)
    #expect(weights.index(at: 0) == 1)
    #expect(weights.index(at: 1 - 0x1p-53) == 2)
    // A total for which rounding leads past the end.
    let odd = try StyleWeights(
      [.init(pattern: "*", weight: 0.1), .init(pattern: "b/*", weight: 1e-17), .init(pattern: "three.png", weight: 0)],
      for: names)
    #expect(odd.index(at: 1 - 0x1p-53) == 1)
  }

  @Test("are refused where a rule is about nothing, or nothing is left")
  func faults() {
    #expect(throws: StyleWeights.Fault.matchesNothing(pattern: "c/*", styles: 4)) { try shares([("c/*", 1)]) }
    #expect(throws: StyleWeights.Fault.nothingLeft(styles: 4)) { try shares([("*", 0)]) }
  }
}
