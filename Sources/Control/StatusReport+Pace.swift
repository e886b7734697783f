extension StatusReport {
  /// Who is how fast, what keeps the faster side waiting, and how much the slower side would need to keep up.
  package struct Pace: Codable, Sendable, Equatable {
    /// What keeps trainer and workers from being faster together.
    package enum Limit: String, Codable, CaseIterable, Sendable {
      /// Nobody reads.
      case noTrainer = "no-trainer"
      /// Nothing does: neither side waits.
      case none
      /// The trainer is slower than the workers.
      case trainer
      /// The trainer holds every slot and asks for another batch.
      case heldSlots = "held-slots"
      /// The workers are fast enough, but the trainer takes batches in bursts for which the ring is too small.
      case slots
      /// There are fewer workers than cores.
      case workers
      /// There are too few cores.
      case cores
      /// The cores would do, but other programs take them.
      case otherPrograms = "other-programs"
      /// Workers wait for files.
      case disk
      /// Workers wait for files that are read for the first time; from then on they can stay in memory.
      case coldCache = "cold-cache"
    }

    /// What it is that limits.
    package var limitedBy: Limit
    /// Images a second that the trainer takes while it does not wait, all ranks together, pauses included.
    package var trainerImagesPerSecond: Double?
    /// Images a second that the workers make while the ring has room.
    package var possibleImagesPerSecond: Double?
    /// Cores that the workers would use if the trainer never waited.
    package var neededCores: Double?
    /// Workers with which the trainer would not wait.
    package var neededWorkers: Int?
    /// Slots with which the trainer would not wait, where bursts are the reason.
    package var neededSlots: Int?
    /// Time of one worker per image, waiting included.
    package var workerMicroseconds: Double?
    /// Time of one core per image.
    package var coreMicroseconds: Double?
    /// What a worker waits for the file, per image.
    package var readWaitMicroseconds: Double?
    /// About how large all files of the data set are together.
    package var datasetBytes: Double?
    /// Memory in which files can stay.
    package var availableMemoryBytes: Double?
    /// About how much of the data set was read since the daemon started.
    package var datasetReadPercent: Double

    /// The pace that follows from what was measured.
    package init(_ measured: PaceMeasurement) {
      let cost = measured.cost
      let possible = cost.map { Double(measured.workers) / $0.workerSeconds }
      datasetReadPercent = measured.samples > 0 ? min(100, 100 * Double(measured.images) / Double(measured.samples)) : 0
      possibleImagesPerSecond = possible
      workerMicroseconds = cost.map { $0.workerSeconds * 1e6 }
      coreMicroseconds = cost.map { $0.coreSeconds * 1e6 }
      readWaitMicroseconds = cost.map { $0.readWaitSeconds * 1e6 }
      datasetBytes = cost.map { $0.fileBytes * Double(measured.samples) }
      availableMemoryBytes = measured.availableMemoryBytes.map { Double($0) }
      limitedBy = .noTrainer
      guard let ring = measured.decidingRing else { return }
      let trainer = ring.waits.batchesPerSecond.map { $0 * Double(measured.batchSize * measured.readRings.count) }
      trainerImagesPerSecond = trainer
      if let trainer, let cost {
        neededCores = trainer * cost.coreSeconds
        neededWorkers = Self.whole(trainer * (cost.coreSeconds + cost.readWaitSeconds))
      }
      limitedBy = limit(measured, ring: ring)
      if limitedBy == .slots, let possible {
        neededSlots = Self.slots(
          ring, batchesPerSecond: possible / Double(measured.batchSize * measured.readRings.count))
      }
    }

    /// A share of the time below which a wait is not worth a word, in percent.
    private static let worthMentioning = 5.0
    /// What is planned beside what is needed in the mean.
    private static let reserve = 1.05
    /// The most slots that a ring can have.
    private static let mostSlots = 4096

    /// So many workers or cores that the mean need leaves a reserve.
    package static func whole(_ needed: Double) -> Int { max(1, Int((min(needed, 1e6) * reserve).rounded(.up))) }

    private func limit(_ measured: PaceMeasurement, ring: PaceMeasurement.Ring) -> Limit {
      guard ring.waits.starvedPercent >= Self.worthMentioning else {
        return ring.waits.fullPercent >= Self.worthMentioning ? .trainer : .none
      }
      if ring.leased >= ring.slots { return .heldSlots }
      guard let cost = measured.cost, let possible = possibleImagesPerSecond else { return .none }
      if let trainer = trainerImagesPerSecond, trainer <= possible { return .slots }
      if cost.readWaitSeconds >= cost.workerSeconds / 2 {
        let canStay = measured.availableMemoryBytes.map { Double($0) >= datasetBytes ?? 0 } ?? false
        return datasetReadPercent < 100 && canStay ? .coldCache : .disk
      }
      guard let neededCores, let neededWorkers, Self.whole(neededCores) <= measured.cores else {
        return measured.workers < measured.cores ? .workers : .cores
      }
      return neededWorkers > measured.workers ? .workers : .otherPrograms
    }

    /// What the ring lacked in the longest burst, in slots; twice as many where it was never full, so that no burst shows.
    private static func slots(_ ring: PaceMeasurement.Ring, batchesPerSecond: Double) -> Int {
      let lacking =
        ring.waits.fullPercent >= worthMentioning
        ? max(1, Int((ring.waits.longestBurstWait * batchesPerSecond * reserve).rounded(.up))) : ring.slots
      return min(mostSlots, ring.slots + lacking)
    }
  }
}

/// What a daemon's pace follows from.
package struct PaceMeasurement: Sendable {
  /// One rank's ring.
  package struct Ring: Sendable {
    /// How many batches fit.
    package var slots: Int
    /// Batches that the trainer holds now.
    package var leased: Int
    /// Whether a trainer is attached.
    package var isRead: Bool
    /// Who has waited for whom.
    package var waits: WaitingWindow.Waits

    package init(slots: Int, leased: Int, isRead: Bool, waits: WaitingWindow.Waits) {
      self.slots = slots
      self.leased = leased
      self.isRead = isRead
      self.waits = waits
    }
  }

  /// Every rank's ring.
  package var rings: [Ring]
  /// Images of one batch of one rank.
  package var batchSize: Int
  /// Worker threads.
  package var workers: Int
  /// Cores that the daemon may use.
  package var cores: Int
  /// What an image costs; `nil` where none was made yet.
  package var cost: WorkWindow.Cost?
  /// Images of the data set.
  package var samples: Int
  /// Images that were made since the daemon started.
  package var images: UInt64
  /// Memory in which files can stay, in bytes; `nil` where that is not known.
  package var availableMemoryBytes: UInt64?

  package init(
    rings: [Ring], batchSize: Int, workers: Int, cores: Int, cost: WorkWindow.Cost?, samples: Int, images: UInt64,
    availableMemoryBytes: UInt64?
  ) {
    self.rings = rings
    self.batchSize = batchSize
    self.workers = workers
    self.cores = cores
    self.cost = cost
    self.samples = samples
    self.images = images
    self.availableMemoryBytes = availableMemoryBytes
  }

  /// The rings that trainers read.
  package var readRings: [Ring] { rings.filter(\.isRead) }

  /// The rank whose trainer waits most speaks for all of them: ranks train in step.
  package var decidingRing: Ring? { readRings.max { $0.waits.starvedPercent < $1.waits.starvedPercent } }
}
