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

  /// One of the sources that samples are drawn from.
  private struct Source {
    /// The number of its first sample.
    let first: Int
    /// How many samples it has.
    let count: Int
    /// How many draws from it an epoch has.
    let share: Int
    /// The order in which it is drawn from, again and again.
    let order: DrawPurpose
  }

  /// How many samples the data set has, those of all sources together.
  package let sampleCount: Int
  /// How many samples an epoch has, those that are drawn more than once counted as often.
  package let epochLength: Int
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

  /// The most samples that an epoch may have: up to here every whole number is a `Double` too, as shares are.
  package static let longestEpoch = 1 << 53

  /// Samples per global batch.
  package var globalBatchSize: Int { batchSize * worldSize }

  private let sources: [Source]

  /// The schedule of one rank, for a data set of one source.
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
    try self.init(
      sources: [(sampleCount, 1)], seed: seed, batchSize: batchSize, worldSize: worldSize,
      rank: rank,
      lastBatch: lastBatch)
  }

  /// The schedule of one rank, for a data set of several sources, whose samples are numbered one source after the other.
  ///
  /// An epoch is one pass over the first source. From every other one it draws in proportion: as many samples as the first has, times
  /// its weight, divided by the weight of the first, rounded, and at least one. Each source is drawn from in orders of its own, one
  /// permutation after the other, that go on from epoch to epoch: no sample comes again before all others of its source have come.
  ///
  /// - Parameters:
  ///   - sources: of each source, how many samples it has, at least 1, and its weight, above 0.
  ///   - batchSize: samples per batch and rank, at least 1.
  ///   - worldSize: ranks that share a global batch, at least 1.
  ///   - rank: the rank whose slices are wanted, 0..<`worldSize`.
  /// - Throws: `DatasetError.tooFewSamples` where incomplete batches are dropped and no batch would be left, and
  ///   `DatasetError.epochTooLong` where an epoch would have more than ``longestEpoch`` samples.
  package init(
    sources: [(count: Int, weight: Double)], seed: UInt64, batchSize: Int, worldSize: Int = 1,
    rank: Int = 0,
    lastBatch: LastBatch = .drop
  ) throws(DatasetError) {
    precondition(
      !sources.isEmpty && batchSize > 0 && worldSize > 0, "counts and sizes are at least 1")
    precondition(
      sources.allSatisfy { $0.count > 0 && $0.weight > 0 }, "counts and weights are above 0")
    precondition((0..<worldSize).contains(rank), "rank \(rank) is outside of 0..<\(worldSize)")
    var described: [Source] = []
    var length = 0
    for (number, source) in sources.enumerated() {
      let share = max(1, (Double(sources[0].count) * (source.weight / sources[0].weight)).rounded())
      // Weights may be so far apart that a share is no integer of the machine.
      guard share <= Double(Self.longestEpoch - length) else { throw .epochTooLong(source: number) }
      described.append(
        Source(
          first: described.reduce(0) { $0 + $1.count }, count: source.count, share: Int(share),
          order: .order(ofSource: number)))
      length += Int(share)
    }
    self.sources = described
    sampleCount = described.reduce(0) { $0 + $1.count }
    epochLength = length
    self.seed = seed
    self.batchSize = batchSize
    self.worldSize = worldSize
    self.rank = rank
    self.lastBatch = lastBatch
    let global = batchSize * worldSize
    switch lastBatch {
    case .drop: batchesPerEpoch = epochLength / global
    case .wrap: batchesPerEpoch = (epochLength - 1) / global + 1
    }
    guard batchesPerEpoch > 0 else {
      throw .tooFewSamples(count: epochLength, globalBatchSize: global)
    }
  }

  /// The plan of this rank's slice of global batch `number`; as fast for the millionth batch as for the first.
  package func batch(_ number: UInt64) -> BatchPlan {
    let (epoch, step) = number.quotientAndRemainder(dividingBy: UInt64(batchesPerEpoch))
    let order = KeyedPermutation(count: epochLength, seed: seed, epoch: epoch, purpose: .epochOrder)
    let globalOffset = rank * batchSize
    let start = Int(step) * globalBatchSize + globalOffset
    let draws = (start..<start + batchSize).map { draw(order[$0 % epochLength], epoch: epoch) }
    return BatchPlan(
      number: number, epoch: epoch, step: Int(step), globalOffset: globalOffset,
      sampleIDs: draws.map(\.sample),
      passes: draws.map(\.pass))
  }

  /// What the draw `number` of an epoch, 0..<`epochLength`, draws: a sample, and how many times its source has been gone through before.
  private func draw(_ number: Int, epoch: UInt64) -> (sample: Int, pass: UInt64) {
    var rest = number
    var index = 0
    while rest >= sources[index].share {
      rest -= sources[index].share
      index += 1
    }
    let source = sources[index]
    // The first source is gone through once an epoch, whose order is enough.
    if index == 0 { return (rest, epoch) }
    let (pass, place) = (epoch &* UInt64(source.share) &+ UInt64(rest)).quotientAndRemainder(
      dividingBy: UInt64(source.count))
    let order = KeyedPermutation(
      count: source.count, seed: seed, epoch: pass, purpose: source.order)
    return (source.first + order[Int(place)], pass)
  }

  /// The sample that stands in for `sample` where it cannot be read: a keyed draw among all others of its source.
  ///
  /// - Parameters:
  ///   - epoch: the pass over the source, as `BatchPlan.passes` has it: the epoch, for the first source.
  ///   - attempt: 0 for the first try, 1 where that replacement cannot be read either, and so on.
  /// - Returns: the replacement, or nil where the source has no other sample.
  package func replacement(for sample: Int, epoch: UInt64, attempt: Int) -> Int? {
    let source = sources.last { $0.first <= sample }!
    guard source.count > 1 else { return nil }
    var generator = KeyedGenerator(
      seed: seed, epoch: epoch, sample: UInt64(sample), view: 0, purpose: .replacement)
    var drawn = 0
    for _ in 0...attempt {
      drawn = source.first + generator.index(below: source.count - 1)
    }
    return drawn < sample ? drawn : drawn + 1
  }
}

extension DrawPurpose {
  /// The orders in which a source is gone through; numbers from 1024 on are those of sources.
  fileprivate static func order(ofSource number: Int) -> DrawPurpose {
    DrawPurpose(1024 + UInt16(number))
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
  /// For each sample how many times its source had been gone through before: what its draws are keyed by, so that a picture that comes
  /// again looks another way. It is the epoch for samples of the first source.
  package let passes: [UInt64]
}
