import KeyedRandom

/// Which samples make up batch n of a stream, for any n, without looking at the batches before it.
///
/// Batches are defined globally: global batch n holds `worldSize` x `batchSize` samples of the epoch's seeded order, and
/// each rank takes a contiguous slice of it. So the stream as a whole is the same for every world size that has the same
/// global batch size. For example:
///
/// ```swift
/// let schedule = try StreamSchedule(
///   sampleCount: 1_281_167, seed: 1, batchSize: 256, worldSize: 8, rank: 3, lastBatch: .drop)
/// let plan = schedule.batch(1_000_000)
/// print(plan.epoch, plan.step, plan.sampleIDs)
/// ```
package struct StreamSchedule: Sendable {
  /// What becomes of the samples at the end of an epoch that do not fill a global batch.
  package enum LastBatch: String, CaseIterable, Codable, Sendable {
    /// They are left out of this epoch; in the next one they are others.
    case drop
    /// They are filled up with samples from the start of the same epoch's order.
    case wrap
  }

  /// How many samples the data set has.
  package let sampleCount: Int
  /// The seed of the stream.
  package let seed: UInt64
  /// Samples per batch and rank.
  package let batchSize: Int
  /// How many ranks share a global batch.
  package let worldSize: Int
  /// Whose slices these are, 0..<`worldSize`.
  package let rank: Int
  /// What becomes of an incomplete last batch.
  package let lastBatch: LastBatch
  /// Global batches in each epoch; at least 1.
  package let batchesPerEpoch: Int

  /// Samples per global batch.
  package var globalBatchSize: Int { batchSize * worldSize }

  /// The schedule of one rank.
  ///
  /// - Parameters:
  ///   - sampleCount: samples in the data set, at least 1.
  ///   - batchSize: samples per batch and rank, at least 1.
  ///   - worldSize: ranks that share a global batch, at least 1.
  ///   - rank: the rank whose slices are wanted, 0..<`worldSize`.
  /// - Throws: `DatasetError.tooFewSamples` where incomplete batches are dropped and no batch would be left.
  package init(
    sampleCount: Int, seed: UInt64, batchSize: Int, worldSize: Int = 1, rank: Int = 0, lastBatch: LastBatch = .drop
  ) throws(DatasetError) {
    precondition(sampleCount > 0 && batchSize > 0 && worldSize > 0, "counts and sizes are at least 1")
    precondition((0..<worldSize).contains(rank), "rank \(rank) is outside of 0..<\(worldSize)")
    self.sampleCount = sampleCount
    self.seed = seed
    self.batchSize = batchSize
    self.worldSize = worldSize
    self.rank = rank
    self.lastBatch = lastBatch
    let global = batchSize * worldSize
    switch lastBatch {
    case .drop: batchesPerEpoch = sampleCount / global
    case .wrap: batchesPerEpoch = (sampleCount - 1) / global + 1
    }
    guard batchesPerEpoch > 0 else { throw .tooFewSamples(count: sampleCount, globalBatchSize: global) }
  }

  /// The plan of this rank's slice of global batch `number`; as fast for the millionth batch as for the first.
  package func batch(_ number: UInt64) -> BatchPlan {
    let (epoch, step) = number.quotientAndRemainder(dividingBy: UInt64(batchesPerEpoch))
    let order = KeyedPermutation(count: sampleCount, seed: seed, epoch: epoch, purpose: .epochOrder)
    let globalOffset = rank * batchSize
    let start = Int(step) * globalBatchSize + globalOffset
    return BatchPlan(
      number: number, epoch: epoch, step: Int(step), globalOffset: globalOffset,
      sampleIDs: (start..<start + batchSize).map { order[$0 % sampleCount] })
  }

  /// The sample that stands in for `sample` in `epoch` where it cannot be read: a keyed draw among all others.
  ///
  /// - Parameter attempt: 0 for the first try, 1 where that replacement cannot be read either, and so on.
  /// - Returns: the replacement, or nil where the data set has no other sample.
  package func replacement(for sample: Int, epoch: UInt64, attempt: Int) -> Int? {
    guard sampleCount > 1 else { return nil }
    var generator = KeyedGenerator(
      seed: seed, epoch: epoch, sample: UInt64(sample), view: 0, purpose: .replacement)
    var drawn = 0
    for _ in 0...attempt {
      drawn = generator.index(below: sampleCount - 1)
    }
    return drawn < sample ? drawn : drawn + 1
  }
}

/// The samples of one rank's slice of one global batch.
package struct BatchPlan: Hashable, Sendable {
  /// The number of the global batch since the start of the stream.
  package let number: UInt64
  /// The epoch that the batch belongs to, from 0.
  package let epoch: UInt64
  /// The number of the global batch within its epoch, from 0.
  package let step: Int
  /// Where the slice starts within the global batch, in samples.
  package let globalOffset: Int
  /// The samples in order.
  package let sampleIDs: [Int]
}
