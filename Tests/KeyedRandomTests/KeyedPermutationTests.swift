import KeyedRandom
import Testing

@Suite("A keyed permutation")
struct KeyedPermutationTests {
  static func elements(_ count: Int, seed: UInt64 = 1, epoch: UInt64 = 0) -> [Int] {
    let permutation = KeyedPermutation(count: count, seed: seed, epoch: epoch, purpose: .epochOrder)
    return (0..<count).map { permutation[$0] }
  }

  @Test("is a bijection for every small count", arguments: [UInt64(0), 1, .max])
  func smallCounts(seed: UInt64) {
    for count in 0..<300 {
      #expect(Self.elements(count, seed: seed, epoch: UInt64(count)).sorted() == Array(0..<count))
    }
  }

  @Test("is a bijection for large counts", arguments: [65_535, 65_536, 65_537, 100_003, 1_281_167])
  func largeCounts(count: Int) {
    let permutation = KeyedPermutation(count: count, seed: 5, epoch: 2, purpose: .epochOrder)
    var seen = [Bool](repeating: false, count: count)
    var repeated = 0
    for position in 0..<count {
      let element = permutation[position]
      if seen[element] { repeated += 1 }
      seen[element] = true
    }
    #expect(repeated == 0)
    #expect(!seen.contains(false))
  }

  @Test("finds elements of huge counts without visiting the others", arguments: [14_000_000, 1 << 40, 1 << 62])
  func hugeCounts(count: Int) {
    let permutation = KeyedPermutation(count: count, seed: 5, epoch: 2, purpose: .epochOrder)
    let positions = (0..<1000).map { count / 1000 * $0 } + [count - 1]
    let elements = positions.map { permutation[$0] }
    #expect(Set(elements).count == positions.count)
    #expect(elements.allSatisfy { (0..<count).contains($0) })
  }

  @Test("puts every element at every position equally often", arguments: [2, 3, 4, 5, 8, 13, 32, 48])
  func uniformPositions(count: Int) {
    let perCell = 200
    var counts = [Int](repeating: 0, count: count * count)
    for seed in 0..<UInt64(perCell * count) {
      for (position, element) in Self.elements(count, seed: seed).enumerated() {
        counts[position * count + element] += 1
      }
    }
    // Rows and columns of the table are fixed, so (count - 1)^2 cells are free.
    #expect(chiSquare(counts) <= chiSquareBound(degreesOfFreedom: (count - 1) * (count - 1)))
  }

  @Test("gives all orders of a few elements equally often", arguments: [2, 3, 4, 5])
  func uniformOrders(count: Int) {
    let orders = (1...count).reduce(1, *)
    var counts: [[Int]: Int] = [:]
    for epoch in 0..<UInt64(500 * orders) {
      counts[Self.elements(count, epoch: epoch), default: 0] += 1
    }
    #expect(counts.count == orders)
    #expect(chiSquare(Array(counts.values)) <= chiSquareBound(degreesOfFreedom: orders - 1))
  }

  @Test("takes neighbours apart")
  func neighbours() {
    // In a random order of n elements, about one pair of neighbours in n/2 stays together (difference 1 or -1).
    let elements = Self.elements(100_000)
    let together = zip(elements, elements.dropFirst()).count { abs($0 - $1) == 1 }
    #expect(together < 20)
  }

  @Test("changes with seed, epoch and purpose")
  func keys() {
    let permutations = [
      Self.elements(100), Self.elements(100, seed: 2), Self.elements(100, epoch: 1),
      (0..<100).map { KeyedPermutation(count: 100, seed: 1, epoch: 0, purpose: DrawPurpose(68))[$0] },
    ]
    #expect(Set(permutations).count == 4)
  }

  @Test("stays what it was when this test was written")
  func golden() {
    #expect(Self.elements(10) == [2, 4, 8, 5, 9, 6, 7, 0, 3, 1])
  }
}
