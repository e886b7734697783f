/// A seeded permutation of 0..<`count` whose every element is computed on its own: no memory, no replay.
///
/// For example, the sample at position 12,000,000 of an epoch's order:
///
/// ```swift
/// let order = KeyedPermutation(count: 14_000_000, seed: 1, epoch: 3, purpose: .epochOrder)
/// let sample = order[12_000_000]
/// ```
///
/// It is a Feistel network over the smallest power of two that holds `count`. Results outside of 0..<`count` are sent
/// through the network again until they fall inside ("cycle walking", J. Black and P. Rogaway, 2002), which keeps it a
/// bijection and takes less than two passes on average.
package struct KeyedPermutation: Sendable {
  /// How many numbers are permuted, 0 to 2^62.
  package let count: Int

  private let seed: UInt64
  private let epoch: UInt32
  private let purpose: DrawPurpose
  /// Bits in the two halves of a number; they differ by one where the total is odd.
  private let lowBits: UInt64
  private let lowMask: UInt64
  private let highMask: UInt64

  /// Small counts need the most rounds: with 12, the 120 orders of five numbers are visibly not equally likely;
  /// with 16 they are.
  private static let rounds: UInt32 = 24

  /// The permutation of 0..<`count` under this key (`epoch` modulo 2^32).
  package init(count: Int, seed: UInt64, epoch: UInt64, purpose: DrawPurpose) {
    precondition((0...(1 << 62)).contains(count), "a permutation has between 0 and 2^62 elements")
    self.count = count
    self.seed = seed
    self.epoch = UInt32(truncatingIfNeeded: epoch)
    self.purpose = purpose
    let bits = count < 2 ? 0 : UInt64(Int.bitWidth - (count - 1).leadingZeroBitCount)
    lowBits = (bits + 1) / 2
    lowMask = (1 << lowBits) - 1
    highMask = (1 << (bits - lowBits)) - 1
  }

  /// The element at `position`, which lies in 0..<`count`.
  package subscript(position: Int) -> Int {
    precondition((0..<count).contains(position), "position \(position) is outside of 0..<\(count)")
    var value = UInt64(position)
    repeat {
      value = scrambled(value)
    } while value >= UInt64(count)
    return Int(value)
  }

  /// One pass through the network: each round changes one half by a random function of the other.
  private func scrambled(_ value: UInt64) -> UInt64 {
    var low = value & lowMask
    var high = value >> lowBits
    for round in stride(from: 0, to: Self.rounds, by: 2) {
      high ^= random(low, round) & highMask
      low ^= random(high, round + 1) & lowMask
    }
    return high << lowBits | low
  }

  private func random(_ half: UInt64, _ round: UInt32) -> UInt64 {
    // Halves have at most 31 bits. The word layout is that of `KeyedGenerator`; permutations have purposes of their own.
    let block = Philox.block(
      at: Philox.Block(round, UInt32(half), epoch, UInt32(purpose.rawValue) << 16), key: seed)
    return UInt64(block.y) << 32 | UInt64(block.x)
  }
}
