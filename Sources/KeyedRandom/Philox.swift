/// The counter-based generator Philox4x32-10: a pure function from 128 bits of counter and 64 bits of key to
/// 128 random bits.
///
/// J. K. Salmon, M. A. Moraes, R. O. Dror and D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
/// Nothing is stored between draws, so any draw of a stream can be made anywhere, at any time, in any order.
package enum Philox {
  /// Four 32-bit words: the counter that goes in, or the random bits that come out.
  package struct Block: Hashable, Sendable {
    /// The words in the order of the paper, `x` first.
    package var x, y, z, w: UInt32

    /// A block of the four given words.
    @inlinable
    package init(_ x: UInt32, _ y: UInt32, _ z: UInt32, _ w: UInt32) {
      self.x = x
      self.y = y
      self.z = z
      self.w = w
    }
  }

  /// The random block at `counter` under `key`, after ten rounds.
  ///
  /// The key's low 32 bits are the paper's first key word.
  @inlinable
  package static func block(at counter: Block, key: UInt64) -> Block {
    var block = counter
    var lowKey = UInt32(truncatingIfNeeded: key)
    var highKey = UInt32(truncatingIfNeeded: key >> 32)
    for _ in 0..<10 {
      // Multiplying in 64 bits gives both halves of the product with one instruction.
      let product0 = UInt64(block.x) &* 0xD251_1F53
      let product1 = UInt64(block.z) &* 0xCD9E_8D57
      block = Block(
        UInt32(truncatingIfNeeded: product1 >> 32) ^ block.y ^ lowKey,
        UInt32(truncatingIfNeeded: product1),
        UInt32(truncatingIfNeeded: product0 >> 32) ^ block.w ^ highKey,
        UInt32(truncatingIfNeeded: product0))
      lowKey &+= 0x9E37_79B9  // golden ratio
      highKey &+= 0xBB67_AE85  // sqrt(3) - 1
    }
    return block
  }
}
