import KeyedRandom
import Testing

@Suite("A keyed generator")
struct KeyedGeneratorTests {
  static func generator(
    seed: UInt64 = 7, epoch: UInt64 = 3, sample: UInt64 = 11, view: Int = 1, purpose: DrawPurpose = DrawPurpose(65)
  ) -> KeyedGenerator {
    KeyedGenerator(seed: seed, epoch: epoch, sample: sample, view: view, purpose: purpose)
  }

  static func draws(_ generator: KeyedGenerator, count: Int = 16) -> [UInt64] {
    var generator = generator
    return (0..<count).map { _ in generator.next() }
  }

  @Test("repeats itself under the same key")
  func repeats() {
    #expect(Self.draws(Self.generator()) == Self.draws(Self.generator()))
  }

  @Test("reads the words of successive Philox blocks")
  func matchesPhilox() {
    let sample: UInt64 = 0xAB_1234_5678
    let draws = Self.draws(
      Self.generator(seed: 99, epoch: 5, sample: sample, view: 2, purpose: DrawPurpose(66)), count: 4)
    let purpose = UInt32(66)
    let blocks = (0..<2).map { block in
      Philox.block(at: .init(block, 0x1234_5678, 5, purpose << 16 | 2 << 8 | 0xAB), key: 99)
    }
    let expected = blocks.flatMap { [UInt64($0.y) << 32 | UInt64($0.x), UInt64($0.w) << 32 | UInt64($0.z)] }
    #expect(draws == expected)
  }

  @Test("shares no number with a generator whose key differs in any part")
  func independent() {
    var generators = [Self.generator()]
    generators += [
      Self.generator(seed: 8), Self.generator(seed: 7 | 1 << 63), Self.generator(epoch: 4), Self.generator(sample: 12),
      Self.generator(sample: 11 | 1 << 39), Self.generator(view: 0), Self.generator(view: 2),
    ]
    generators += (1...64).map { Self.generator(purpose: DrawPurpose($0)) }
    let numbers = generators.flatMap { Self.draws($0) }
    #expect(Set(numbers).count == numbers.count)
  }

  @Test("draws uniform numbers with the right mean, variance and bounds")
  func uniform() {
    var generator = Self.generator()
    let count = 100_000
    var sum = 0.0
    var squares = 0.0
    for _ in 0..<count {
      let value = generator.uniform(in: -2...4)
      #expect(value >= -2 && value <= 4)
      sum += value
      squares += value * value
    }
    let mean = sum / Double(count)
    let variance = squares / Double(count) - mean * mean
    // Uniform on [-2, 4]: mean 1, variance 3; both bounds are five standard errors wide.
    #expect(abs(mean - 1) < 5 * (3.0 / Double(count)).squareRoot())
    #expect(abs(variance - 3) < 5 * (7.2 / Double(count)).squareRoot())
  }

  @Test("draws normal numbers, independent ones, whatever their number is")
  func normals() {
    var generator = Self.generator()
    let count = 100_000
    let numbers = generator.normals(count: count)
    // The deciles of the standard normal distribution.
    let deciles = [-1.281552, -0.841621, -0.524401, -0.253347, 0, 0.253347, 0.524401, 0.841621, 1.281552]
    var bins = [Int](repeating: 0, count: 10)
    for number in numbers { bins[deciles.count { $0 < number }] += 1 }
    #expect(chiSquare(bins) <= chiSquareBound(degreesOfFreedom: 9))
    // Two from one pair of uniform numbers, and those beside each other: a correlation has a standard error of 1 / sqrt(n).
    for distance in 1...2 {
      let correlation = zip(numbers, numbers.dropFirst(distance)).reduce(0) { $0 + $1.0 * $1.1 } / Double(count)
      #expect(abs(correlation) < 5 / Double(count).squareRoot())
    }
    var again = Self.generator()
    #expect(again.normals(count: 7) == Array(numbers.prefix(7)))
  }

  @Test("draws the only number of a range that holds one")
  func degenerateRange() {
    var generator = Self.generator()
    #expect(generator.uniform(in: 0.3...0.3) == 0.3)
  }

  @Test("takes chances as often as their probability says", arguments: [0, 0.2, 0.5, 0.8, 1])
  func chance(probability: Double) {
    var generator = Self.generator()
    let count = 50_000
    let taken = (0..<count).count { _ in generator.chance(probability) }
    let spread = (probability * (1 - probability) * Double(count)).squareRoot()
    #expect(abs(Double(taken) - probability * Double(count)) <= 5 * spread)
  }

  @Test("draws every index equally often", arguments: [1, 2, 3, 7, 32, 100])
  func index(bound: Int) {
    var generator = Self.generator()
    let perIndex = 1000
    var counts = [Int](repeating: 0, count: bound)
    for _ in 0..<perIndex * bound {
      counts[generator.index(below: bound)] += 1
    }
    #expect(chiSquare(counts) <= chiSquareBound(degreesOfFreedom: bound - 1))
  }

  @Test("draws every order of four equally often")
  func permutation() {
    var counts: [[Int]: Int] = [:]
    for sample in 0..<24_000 {
      var generator = Self.generator(sample: UInt64(sample))
      counts[generator.permutation(count: 4), default: 0] += 1
    }
    #expect(counts.count == 24)
    #expect(counts.keys.allSatisfy { $0.sorted() == [0, 1, 2, 3] })
    #expect(chiSquare(Array(counts.values)) <= chiSquareBound(degreesOfFreedom: 23))
  }
}

/// Pearson's statistic of counts that should all be equal.
func chiSquare(_ counts: [Int]) -> Double {
  let expected = Double(counts.reduce(0, +)) / Double(counts.count)
  return counts.reduce(0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
}

/// A value that the statistic exceeds about once in 30,000 times (mean and standard deviation, Wilson-Hilferty).
func chiSquareBound(degreesOfFreedom: Int) -> Double {
  let degrees = Double(max(degreesOfFreedom, 1))
  let root = 1 - 2 / (9 * degrees) + 4 * (2 / (9 * degrees)).squareRoot()
  return degrees * root * root * root
}
