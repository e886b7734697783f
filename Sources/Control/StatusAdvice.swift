import Basics
import FoundationEssentials

extension StatusReport {
  /// Who is how fast, who waits for whom, and what to change, in plain sentences; `nil` where the daemon is not running, or where the
  /// detail says what keeps it from making batches.
  ///
  /// The rank whose trainer waits most speaks for all of them, as in `PaceMeasurement`.
  package var advice: String? {
    guard state == .running, detail.isEmpty, let pace else { return nil }
    let read = rings.filter { $0.readerProcess != nil }
    guard let ring = read.max(by: { $0.trainerStarvedPercent < $1.trainerStarvedPercent }) else {
      return "no trainer reads; batches are kept ready until one attaches"
        + (pace.possibleImagesPerSecond.map { ", and \(workersCan) make \(Self.rate($0))" } ?? "")
    }
    return "\(speeds(pace)). It waits \(Self.percent(ring.trainerStarvedPercent)) of its time. "
      + remedy(pace, ring: ring)
  }

  private var workersCan: String { workers == 1 ? "1 worker can" : "\(workers) workers can" }

  private func speeds(_ pace: Pace) -> String {
    let possible = pace.possibleImagesPerSecond.map { "\(workersCan) make \(Self.rate($0))" } ?? "no image is made yet"
    return pace.trainerImagesPerSecond.map { "the trainer takes \(Self.rate($0)); \(possible)" } ?? possible
  }

  private func remedy(_ pace: Pace, ring: Ring) -> String {
    switch pace.limitedBy {
    case .noTrainer, .none: return "Nothing to change"
    case .trainer: return spareWorkers(pace)
    case .heldSlots:
      return "It holds all \(ring.slots) slots and asks for another batch: release the oldest, or raise ring.slots"
    case .slots:
      let slots = pace.neededSlots ?? 2 * ring.slots
      let bytes = Double(ring.sizeBytes) / Double(ring.slots) * Double(slots - ring.slots)
      return "In the mean the workers are fast enough, but it takes batches in bursts: raise ring.slots from "
        + "\(ring.slots) to \(slots), which takes \(Self.size(bytes)) more of shared memory"
    case .workers: return moreWorkers(pace)
    case .cores: return moreCores(pace) + slowestStage
    case .otherPrograms:
      let lost = (pace.workerMicroseconds ?? 0) - (pace.coreMicroseconds ?? 0) - (pace.readWaitMicroseconds ?? 0)
      let part = pace.workerMicroseconds.map { 100 * lost / $0 } ?? 0
      return
        "\(Self.cores(pace)) would keep up, but other programs, perhaps the trainer's own threads, have the cores for "
        + "\(Self.percent(part)) of the workers' time: limit those threads (torch.set_num_threads), or give each side cores "
        + "of its own (taskset)"
    case .disk:
      return "\(waiting(pace)): put the dataset on a faster disk"
        + (pace.neededWorkers.map { $0 > workers ? ", or read more files at once (workers.count = \($0))" : "" } ?? "")
    case .coldCache:
      return
        "\(waiting(pace)), which are read for the first time (\(Self.percent(pace.datasetReadPercent)) of the dataset "
        + "so far). All of it, about \(Self.size(pace.datasetBytes ?? 0)), can stay in the "
        + "\(Self.size(pace.availableMemoryBytes ?? 0)) of memory that are free: nothing to change if the second epoch is fast"
    }
  }

  private func spareWorkers(_ pace: Pace) -> String {
    guard let enough = pace.neededWorkers, enough < workers else { return "Nothing to change" }
    return "\(enough) of the \(workers) workers would do (workers.count)"
  }

  private func moreWorkers(_ pace: Pace) -> String {
    guard let needed = pace.neededWorkers, let neededCores = pace.neededCores else {
      return "Raise workers.count from \(workers) to \(cores), the cores that there are"
    }
    let text =
      "\(Self.cores(pace)) would keep up: raise workers.count from \(workers) to \(min(max(needed, workers + 1), cores))"
    return Pace.whole(neededCores) > cores ? "\(text), the cores that there are" : text
  }

  private func moreCores(_ pace: Pace) -> String {
    guard pace.neededCores != nil else { return "It is too fast to say how many cores would keep up. " }
    return "\(Self.cores(pace)) would keep up, and there \(cores == 1 ? "is 1" : "are \(cores)"). "
  }

  private func waiting(_ pace: Pace) -> String {
    String(
      printf: "For each image a worker waits %.1f of %.1f ms for files", (pace.readWaitMicroseconds ?? 0) / 1000,
      (pace.workerMicroseconds ?? 0) / 1000)
  }

  /// What to do where all cores are at work.
  private var slowestStage: String {
    let times: [(share: Double, advice: String)] = [
      (stages.readMicroseconds, "Reading files takes most of the time: put the dataset on a faster disk"),
      (stages.decodeMicroseconds, "Decoding takes most of the time: store the pictures smaller, or add cores"),
      (stages.cropMicroseconds, "Cropping takes most of the time: store the pictures smaller, or lower views.side"),
      (
        stages.embedMicroseconds + stages.stylizeMicroseconds,
        "Style takes most of the time: add cores, lower style.probability, or choose a smaller style.model"
      ),
      (stages.augmentMicroseconds, "Colours and blur take most of the time: add cores, or lower views.side"),
    ]
    return times.max { $0.share < $1.share }!.advice
  }

  private static func cores(_ pace: Pace) -> String {
    let count = Pace.whole(pace.neededCores ?? 0)
    return count == 1 ? "1 core" : "\(count) cores"
  }

  private static func rate(_ imagesPerSecond: Double) -> String { String(printf: "%.0f images/s", imagesPerSecond) }

  private static func percent(_ share: Double) -> String { String(printf: "%.0f %%", share) }

  private static func size(_ bytes: Double) -> String {
    bytes < 1e9 ? String(printf: "%.0f MB", bytes / 1e6) : String(printf: "%.1f GB", bytes / 1e9)
  }
}
