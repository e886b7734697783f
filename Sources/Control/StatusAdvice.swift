extension StatusReport {
  /// A share of the time below which a wait is not worth a word, in percent.
  private static let worthMentioning = 5.0

  /// Who waits for whom, and what to change, in one line; `nil` where the daemon is not running, or where the detail says what keeps it
  /// from making batches.
  ///
  /// The rank whose trainer waits most speaks for all of them: ranks train in step.
  package var advice: String? {
    guard state == .running, detail.isEmpty else { return nil }
    let read = rings.filter { $0.readerProcess != nil }
    guard let ring = read.max(by: { $0.trainerStarvedPercent < $1.trainerStarvedPercent }) else {
      return "no trainer reads; batches are kept ready until one attaches"
    }
    if ring.leasedBatches >= ring.slots && ring.trainerStarvedPercent >= Self.worthMentioning {
      return
        "the trainer holds all \(ring.slots) slots and waits for another batch: release the oldest, or raise ring.slots"
    }
    let starves = ring.trainerStarvedPercent >= Self.worthMentioning
    // A little fullness beside much starving is what is left of the time before the trainer came.
    let isFull = ring.fullPercent >= max(Self.worthMentioning, ring.trainerStarvedPercent / 4)
    switch (starves, isFull) {
    case (false, false): return "trainer and workers keep pace; nothing to change"
    case (false, true): return "the trainer never waits; " + spareWorkers(idlePercent: ring.fullPercent)
    case (true, true):
      return
        "the trainer waits for batches although the ring is full at other times: raise ring.slots above \(ring.slots)"
    case (true, false):
      return "the trainer waits for the workers: " + moreImages(starvedPercent: ring.trainerStarvedPercent)
    }
  }

  /// What to do where the workers have nothing to do for part of the time.
  private func spareWorkers(idlePercent: Double) -> String {
    let enough = max(1, Int((Double(workers) * (1 - idlePercent / 100)).rounded(.up)))
    return enough < workers
      ? "\(enough) of the \(workers) workers would do (workers.count)" : "nothing to change"
  }

  /// What to do where the trainer has nothing to do for part of the time.
  private func moreImages(starvedPercent: Double) -> String {
    // What the trainer could take if it never waited; all the time waiting is no measure, so it counts as ten times as much.
    let wanted = Int((Double(workers) / max(0.1, 1 - starvedPercent / 100)).rounded(.up))
    if workers < cores { return "raise workers.count from \(workers) to \(min(wanted, cores))" }
    let times: [(share: Double, advice: String)] = [
      (
        stages.readMicroseconds,
        "reading files takes most of their time: put the dataset on a faster disk, or raise workers.count"
      ),
      (stages.decodeMicroseconds, "decoding takes most of their time: store the pictures smaller"),
      (stages.cropMicroseconds, "cropping takes most of their time: store the pictures smaller, or lower views.side"),
      (
        stages.embedMicroseconds + stages.stylizeMicroseconds,
        "style takes most of their time: lower style.probability, choose a smaller style.model, or add cores"
      ),
      (stages.augmentMicroseconds, "colours and blur take most of their time: lower views.side, or add cores"),
    ]
    return times.max { $0.share < $1.share }!.advice
  }
}
