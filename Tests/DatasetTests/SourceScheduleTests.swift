import Dataset
import Testing

@Suite("The schedule of several sources")
struct SourceScheduleTests {
  /// Sizes and weights of sources, and how many draws of each an epoch must have.
  static let mixtures: [(sources: [(count: Int, weight: Double)], shares: [Int])] = [
    ([(100, 3), (7, 1)], [100, 33]), ([(40, 1), (1000, 2)], [40, 80]),
    ([(13, 0.5), (13, 0.5), (1, 0.001)], [13, 13, 1]),
    ([(64, 3), (5, 1), (90, 1.5)], [64, 21, 32]),
  ]

  @Test("goes through the first source once an epoch, and through each of the others without a gap", arguments: 0..<4)
  func passes(number: Int) throws {
    let (sources, shares) = Self.mixtures[number]
    let length = shares.reduce(0, +)
    let schedule = try StreamSchedule(sources: sources, seed: 5, batchSize: length)
    #expect(schedule.epochLength == length)
    #expect(schedule.batchesPerEpoch == 1)
    #expect(schedule.sampleCount == sources.reduce(0) { $0 + $1.count })
    var seen: [Int: Set<UInt64>] = [:]
    for epoch in 0..<12 {
      let plan = schedule.batch(UInt64(epoch))
      var drawn = [Int](repeating: 0, count: sources.count)
      for (sample, pass) in zip(plan.sampleIDs, plan.passes) {
        var source = 0
        var rest = sample
        while rest >= sources[source].count {
          rest -= sources[source].count
          source += 1
        }
        drawn[source] += 1
        if source == 0 { #expect(pass == UInt64(epoch)) }
        // A sample and its pass come together once in a stream, so all its draws are its own.
        #expect(seen[sample, default: []].insert(pass).inserted)
      }
      #expect(drawn == shares)
    }
    // Every pass that is over has had every sample.
    var first = 0
    for (source, share) in zip(sources, shares) {
      let whole = Set(0..<UInt64(12 * share / source.count))
      for sample in first..<first + source.count { #expect(seen[sample, default: []].isSuperset(of: whole)) }
      first += source.count
    }
  }

  @Test("is cut into the same ranks, and computed anywhere at the same cost")
  func ranks() throws {
    let sources = Self.mixtures[3].sources
    let whole = try StreamSchedule(sources: sources, seed: 9, batchSize: 12, lastBatch: .wrap)
    for number: UInt64 in [0, 7, 9, 10, 4_000_000_000_000] {
      let slices = try (0..<3).map { rank in
        try StreamSchedule(sources: sources, seed: 9, batchSize: 4, worldSize: 3, rank: rank, lastBatch: .wrap).batch(
          number)
      }
      #expect(slices.flatMap(\.sampleIDs) == whole.batch(number).sampleIDs)
      #expect(slices.flatMap(\.passes) == whole.batch(number).passes)
    }
  }

  @Test(
    "refuses weights with which an epoch would have more samples than can be counted",
    // The ends of the range that the configuration accepts; from the second count on, a share is more than an `Int` holds.
    arguments: [9_008, 9_300_000, 1_281_167_000])
  func endlessEpoch(count: Int) {
    #expect(throws: DatasetError.epochTooLong(source: 1)) {
      try StreamSchedule(sources: [(count, 1e-6), (5, 1e6)], seed: 1, batchSize: 10)
    }
  }

  @Test("has the longest epoch that there may be, and not one sample more")
  func longestEpoch() throws {
    let first = 1 << 30
    let others = Double(1 << 23) - 1
    let schedule = try StreamSchedule(sources: [(first, 1), (5, others)], seed: 1, batchSize: 16)
    #expect(schedule.epochLength == 1 << 53)
    #expect(schedule.batchesPerEpoch == 1 << 49)
    for number: UInt64 in [0, (1 << 49) - 1, 1 << 49] {
      let plan = schedule.batch(number)
      #expect(plan.epoch == number >> 49)
      #expect(plan.sampleIDs.allSatisfy { (0..<first + 5).contains($0) })
    }
    #expect(throws: DatasetError.epochTooLong(source: 2)) {
      try StreamSchedule(sources: [(first, 1), (5, others), (1, 1e-12)], seed: 1, batchSize: 16)
    }
  }

  @Test("replaces a sample by another of its source")
  func replacements() throws {
    let schedule = try StreamSchedule(sources: [(50, 1), (4, 1), (1, 1)], seed: 1, batchSize: 10)
    for attempt in 0..<40 {
      #expect((0..<50).contains(try #require(schedule.replacement(for: 49, epoch: 3, attempt: attempt))))
      let other = try #require(schedule.replacement(for: 51, epoch: 3, attempt: attempt))
      #expect([50, 52, 53].contains(other))
    }
    #expect(schedule.replacement(for: 54, epoch: 0, attempt: 0) == nil)
  }
}
