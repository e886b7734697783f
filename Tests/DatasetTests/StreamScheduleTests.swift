import Dataset
import Testing

@Suite("A stream's schedule")
struct StreamScheduleTests {
  /// Every schedule of a few samples, with all its ranks.
  static func forEverySmallSchedule(_ body: (_ ranks: [StreamSchedule]) throws -> Void) rethrows {
    for lastBatch in StreamSchedule.LastBatch.allCases {
      for sampleCount in 1...14 {
        for batchSize in 1...5 {
          for worldSize in 1...3 {
            let ranks = (0..<worldSize).compactMap { rank in
              try? StreamSchedule(
                sampleCount: sampleCount, seed: 9, batchSize: batchSize, worldSize: worldSize, rank: rank,
                lastBatch: lastBatch)
            }
            if !ranks.isEmpty { try body(ranks) }
          }
        }
      }
    }
  }

  /// The samples of global batch `number`, joined from the ranks' slices.
  static func globalBatch(_ number: UInt64, _ ranks: [StreamSchedule]) -> [Int] {
    ranks.flatMap { $0.batch(number).sampleIDs }
  }

  @Test("brings every sample exactly once per epoch, except for a dropped or wrapped remainder")
  func everySampleOnce() {
    Self.forEverySmallSchedule { ranks in
      let schedule = ranks[0]
      let count = schedule.sampleCount
      let perEpoch = UInt64(schedule.batchesPerEpoch)
      for epoch in 0..<UInt64(3) {
        let samples = (epoch * perEpoch..<(epoch + 1) * perEpoch).flatMap { Self.globalBatch($0, ranks) }
        switch schedule.lastBatch {
        case .drop:
          #expect(samples.count == count - count % schedule.globalBatchSize)
          #expect(Set(samples).count == samples.count)
        case .wrap:
          #expect(samples.prefix(count).sorted() == Array(0..<count))
          #expect(samples.count < count + schedule.globalBatchSize)
          // The rest repeats the epoch from its start.
          #expect(samples.indices.allSatisfy { samples[$0] == samples[$0 % count] })
        }
        #expect(samples.allSatisfy { (0..<count).contains($0) })
      }
    }
  }

  @Test("exists for every shape that has at least one batch")
  func shapes() throws {
    var shapes = 0
    Self.forEverySmallSchedule { ranks in
      #expect(ranks.count == ranks[0].worldSize)
      #expect(ranks[0].lastBatch == .wrap || ranks[0].sampleCount >= ranks[0].globalBatchSize)
      shapes += 1
    }
    let dropped = (1...14).flatMap { count in (1...5).flatMap { b in (1...3).filter { b * $0 <= count } } }.count
    #expect(shapes == 14 * 5 * 3 + dropped)
    #expect(throws: DatasetError.tooFewSamples(count: 7, globalBatchSize: 8)) {
      try StreamSchedule(sampleCount: 7, seed: 1, batchSize: 4, worldSize: 2)
    }
  }

  @Test("gives ranks the slices of one global batch, the same for every world size")
  func worldSizes() throws {
    for lastBatch in StreamSchedule.LastBatch.allCases {
      let whole = try StreamSchedule(sampleCount: 50, seed: 3, batchSize: 12, lastBatch: lastBatch)
      for worldSize in [1, 2, 3, 4, 6, 12] {
        let ranks = try (0..<worldSize).map {
          try StreamSchedule(
            sampleCount: 50, seed: 3, batchSize: 12 / worldSize, worldSize: worldSize, rank: $0, lastBatch: lastBatch)
        }
        for number in 0..<UInt64(15) {
          #expect(Self.globalBatch(number, ranks) == whole.batch(number).sampleIDs)
          for (rank, schedule) in ranks.enumerated() {
            let plan = schedule.batch(number)
            #expect(plan.globalOffset == rank * schedule.batchSize)
            #expect(plan.sampleIDs.count == schedule.batchSize)
            #expect(plan.epoch == whole.batch(number).epoch && plan.step == whole.batch(number).step)
          }
        }
      }
    }
  }

  @Test("numbers batches through epochs and steps without gaps")
  func numbering() {
    Self.forEverySmallSchedule { ranks in
      var epoch: UInt64 = 0
      var step = 0
      for number in 0..<UInt64(3 * ranks[0].batchesPerEpoch) {
        let plan = ranks[0].batch(number)
        #expect(plan.number == number && plan.epoch == epoch && plan.step == step)
        step += 1
        if step == ranks[0].batchesPerEpoch {
          step = 0
          epoch += 1
        }
      }
    }
  }

  @Test("finds any batch without the batches before it")
  func seek() throws {
    func schedule() throws -> StreamSchedule {
      try StreamSchedule(sampleCount: 1_281_167, seed: 1, batchSize: 256, worldSize: 8, rank: 3)
    }
    let played = try schedule()
    let replayed = (0..<700).map { played.batch($0) }
    for number in [699, 0, 625, 624] {
      #expect(try schedule().batch(UInt64(number)) == replayed[number])
    }
    let far = try schedule().batch(1_000_000)
    #expect(far.epoch == 1_000_000 / 625 && far.step == 1_000_000 % 625)
    #expect(Set(far.sampleIDs).count == 256)
    // Whatever a reader asks for, there is an answer.
    #expect(try schedule().batch(.max).sampleIDs.allSatisfy { (0..<1_281_167).contains($0) })
  }

  @Test("shuffles every epoch anew, and every seed differently")
  func orders() throws {
    var epochs: Set<[Int]> = []
    for seed in 0..<UInt64(3) {
      let schedule = try StreamSchedule(sampleCount: 64, seed: seed, batchSize: 64)
      for epoch in 0..<UInt64(4) {
        epochs.insert(schedule.batch(epoch).sampleIDs)
      }
    }
    #expect(epochs.count == 12)
  }

  @Test("drops other samples in every epoch")
  func droppedSamples() throws {
    let schedule = try StreamSchedule(sampleCount: 11, seed: 2, batchSize: 10)
    let dropped = (0..<200).map { Set(0..<11).subtracting(schedule.batch($0).sampleIDs).first! }
    #expect(Set(dropped) == Set(0..<11))
  }
}

@Suite("The replacement for a bad sample")
struct ReplacementTests {
  @Test("is another sample, the same one every time")
  func another() throws {
    for sampleCount in 2...12 {
      let schedule = try StreamSchedule(sampleCount: sampleCount, seed: 4, batchSize: 1)
      for sample in 0..<sampleCount {
        for attempt in 0..<6 {
          let replacement = try #require(schedule.replacement(for: sample, epoch: 1, attempt: attempt))
          #expect((0..<sampleCount).contains(replacement) && replacement != sample)
          #expect(schedule.replacement(for: sample, epoch: 1, attempt: attempt) == replacement)
        }
      }
    }
  }

  @Test("does not depend on batch size, world size or rank")
  func shape() throws {
    let one = try StreamSchedule(sampleCount: 100, seed: 4, batchSize: 12)
    let other = try StreamSchedule(sampleCount: 100, seed: 4, batchSize: 3, worldSize: 4, rank: 2, lastBatch: .wrap)
    for sample in 0..<100 {
      #expect(
        one.replacement(for: sample, epoch: 7, attempt: 1) == other.replacement(for: sample, epoch: 7, attempt: 1))
    }
  }

  @Test("is drawn equally often from all others, anew for every epoch and attempt")
  func uniform() throws {
    let schedule = try StreamSchedule(sampleCount: 11, seed: 4, batchSize: 1)
    var counts = [Int](repeating: 0, count: 11)
    for epoch in 0..<UInt64(1000) {
      for attempt in 0..<2 {
        counts[schedule.replacement(for: 5, epoch: epoch, attempt: attempt)!] += 1
      }
    }
    #expect(counts[5] == 0)
    // Binomial with 2000 draws and p = 0.1: mean 200, standard deviation 13.4.
    for other in (0..<11).filter({ $0 != 5 }) {
      #expect(abs(counts[other] - 200) < 67)
    }
  }

  @Test("does not exist where there is no other sample")
  func none() throws {
    #expect(try StreamSchedule(sampleCount: 1, seed: 4, batchSize: 1).replacement(for: 0, epoch: 0, attempt: 0) == nil)
  }
}
