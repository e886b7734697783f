import Glibc

/// A random number generator that is completely determined by what is being drawn.
///
/// Two generators with the same key give the same numbers, on any worker, machine and day; generators whose keys differ
/// anywhere are independent. It costs nothing to make one per draw.
///
/// For example:
///
/// ```swift
/// var generator = KeyedGenerator(seed: 1, epoch: 0, sample: 4711, view: 1, purpose: DrawPurpose(19))
/// let flipped = generator.chance(0.5)
/// ```
package struct KeyedGenerator: RandomNumberGenerator, Sendable {
  /// The key of the Philox function.
  private let seed: UInt64
  /// The next counter: x counts blocks, the other words name the draw.
  private var counter: Philox.Block
  /// The second half of the last block, where it has not been used yet.
  private var spare: UInt64?

  /// A generator for one purpose of one view of one sample in one epoch.
  ///
  /// - Parameters:
  ///   - seed: the seed of the stream.
  ///   - epoch: the epoch, modulo 2^32.
  ///   - sample: the sample (or the group of samples) that is drawn for, modulo 2^40.
  ///   - view: the view, 0 to 255; 0 where the draw belongs to no view.
  ///   - purpose: what the number is for.
  package init(seed: UInt64, epoch: UInt64, sample: UInt64, view: Int, purpose: DrawPurpose) {
    precondition((0...255).contains(view), "a view has a number from 0 to 255")
    self.seed = seed
    // The five parts of the key share 128 bits without overlapping, so no two draws of a stream ever meet:
    // x = block, y = sample (low), z = epoch, w = purpose : view : sample (high 8 bits).
    counter = Philox.Block(
      0,
      UInt32(truncatingIfNeeded: sample),
      UInt32(truncatingIfNeeded: epoch),
      UInt32(purpose.rawValue) << 16 | UInt32(view) << 8 | UInt32(truncatingIfNeeded: sample >> 32) & 0xFF)
  }

  /// The next 64 random bits.
  package mutating func next() -> UInt64 {
    if let value = spare {
      spare = nil
      return value
    }
    let block = Philox.block(at: counter, key: seed)
    counter.x &+= 1
    spare = UInt64(block.w) << 32 | UInt64(block.z)
    return UInt64(block.y) << 32 | UInt64(block.x)
  }

  /// A number drawn uniformly from [0, 1), a multiple of 2^-53.
  package mutating func uniform() -> Double {
    Double(next() >> 11) * 0x1p-53
  }

  /// A number drawn uniformly from `range`.
  package mutating func uniform(in range: ClosedRange<Double>) -> Double {
    // Rounding could step past the upper bound by one unit in the last place.
    min(range.lowerBound + uniform() * (range.upperBound - range.lowerBound), range.upperBound)
  }

  /// Standard normal numbers, by the method of G. E. P. Box and M. E. Muller (1958): each two uniform ones give two, the cosine's first.
  package mutating func normals(count: Int) -> [Double] {
    var numbers: [Double] = []
    numbers.reserveCapacity(count + 1)
    while numbers.count < count {
      // One less the number, which is never 1, so that the logarithm is of none that is 0.
      let radius = (-2 * log(1 - uniform())).squareRoot()
      let angle = 2 * Double.pi * uniform()
      numbers.append(radius * cos(angle))
      numbers.append(radius * sin(angle))
    }
    return Array(numbers.prefix(count))
  }

  /// A whole number drawn uniformly from 0..<`bound`; `bound` is at least 1.
  package mutating func index(below bound: Int) -> Int {
    precondition(bound > 0, "there is no index below \(bound)")
    // D. Lemire, "Fast random integer generation in an interval", 2019: rejects the few values that would make low
    // indices more likely.
    let width = UInt64(bound)
    var product = next().multipliedFullWidth(by: width)
    if product.low < width {
      let threshold = (0 &- width) % width
      while product.low < threshold {
        product = next().multipliedFullWidth(by: width)
      }
    }
    return Int(product.high)
  }

  /// True with probability `probability`: never at 0, always at 1.
  package mutating func chance(_ probability: Double) -> Bool {
    uniform() < probability
  }

  /// The numbers 0..<`count` in an order drawn uniformly from all orders.
  package mutating func permutation(count: Int) -> [Int] {
    var order = Array(0..<count)
    for last in stride(from: count - 1, to: 0, by: -1) {
      order.swapAt(last, index(below: last + 1))
    }
    return order
  }
}
