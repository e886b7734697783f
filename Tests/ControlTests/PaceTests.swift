import Control
import Testing

/// A daemon whose workers make 100 images a second each, and whose trainer reads; tests change what they are about.
private struct Situation {
  var workers = 2
  var cores = 8
  /// What the trainer takes while it does not wait, in images a second.
  var trainer: Double? = 100
  var starved = 0.0
  var full = 0.0
  var burstWait = 0.0
  var leased = 1
  var isRead = true
  /// Per image, in milliseconds: a worker's time, a core's, and waiting for the file.
  var cost = (worker: 10.0, core: 10.0, readWait: 0.0)
  var images: UInt64 = 1_000_000
  var memory: UInt64? = 40_000_000_000

  private var waits: WaitingWindow.Waits {
    var waits = WaitingWindow.Waits()
    waits.fullPercent = full
    waits.starvedPercent = starved
    waits.batchesPerSecond = trainer.map { $0 / 32 }
    waits.longestBurstWait = burstWait
    return waits
  }

  /// Of 100,000 files of 120 KB each.
  var measurement: PaceMeasurement {
    PaceMeasurement(
      rings: [PaceMeasurement.Ring(slots: 8, leased: leased, isRead: isRead, waits: waits)], batchSize: 32,
      workers: workers, cores: cores,
      cost: WorkWindow.Cost(
        workerSeconds: cost.worker / 1000, coreSeconds: cost.core / 1000, readWaitSeconds: cost.readWait / 1000,
        fileBytes: 120_000),
      samples: 100_000, images: images, availableMemoryBytes: memory)
  }

  /// The report of a daemon in this situation.
  func statusReport(stages: [String: Double] = ["stylize": 1000], state: String = "running", detail: String = "")
    throws -> StatusReport
  {
    var status = try report(
      state: state, detail: detail, workers: workers, cores: cores,
      rings: [ring(starved: starved, full: full, leased: leased, reader: isRead ? 99 : nil)], stages: stages)
    status.pace = StatusReport.Pace(measurement)
    return status
  }
}

@Suite("What status advises")
struct PaceTests {
  /// Holds a situation against what limits it and what the advice says.
  private func expect(
    _ limit: StatusReport.Pace.Limit, _ pieces: String..., in situation: Situation,
    location: SourceLocation = #_sourceLocation
  ) throws {
    let status = try situation.statusReport()
    #expect(status.pace?.limitedBy == limit, sourceLocation: location)
    let advice = try #require(status.advice, sourceLocation: location)
    for piece in pieces { #expect(advice.contains(piece), "\(advice)", sourceLocation: location) }
  }

  @Test("a trainer that is slower than the workers leaves some of them without work")
  func slowTrainer() throws {
    try expect(
      .trainer, "the trainer takes 100 images/s; 4 workers can make 400 images/s. It waits 0 % of its time",
      "2 of the 4 workers would do", in: Situation(workers: 4, full: 75))
    try expect(.trainer, "Nothing to change", in: Situation(workers: 2, trainer: 180, full: 10))
    try expect(.none, "Nothing to change", in: Situation(starved: 4.9, full: 4.9))
  }

  @Test("workers that are too slow get as many cores as the trainer needs, where there are some")
  func slowWorkers() throws {
    let slow = Situation(trainer: 310, starved: 35)
    try expect(
      .workers, "the trainer takes 310 images/s; 2 workers can make 200 images/s. It waits 35 % of its time",
      "4 cores would keep up: raise workers.count from 2 to 4", in: slow)
    #expect(StatusReport.Pace(slow.measurement).neededCores == 3.1)
    try expect(
      .workers, "9 cores would keep up: raise workers.count from 2 to 8, the cores that there are",
      in: Situation(trainer: 840, starved: 76))
    try expect(
      .cores, "4 cores would keep up, and there are 2. Style", in: Situation(cores: 2, trainer: 310, starved: 35))
  }

  @Test("a trainer that takes everything at once is too fast to be measured")
  func fastTrainer() throws {
    let advice = try #require(try Situation(trainer: nil, starved: 99.6).statusReport().advice)
    #expect(
      advice.hasPrefix("2 workers can make 200 images/s. It waits 100 % of its time. Raise workers.count from 2 to 8"))
    try expect(.cores, "too fast to say how many cores", in: Situation(cores: 2, trainer: nil, starved: 100))
  }

  @Test(
    "with every core at work, the advice is about the stage that takes most time",
    arguments: [
      ("read", "faster disk"), ("decode", "store the pictures smaller"), ("crop", "views.side"),
      ("embed", "style.probability"), ("stylize", "style.probability"), ("augment", "views.side"),
    ])
  func slowestStage(stage: String, expected: String) throws {
    let situation = Situation(cores: 2, trainer: 310, starved: 35)
    #expect(try #require(try situation.statusReport(stages: [stage: 1000]).advice).contains(expected))
  }

  @Test("a trainer that waits although the workers are fast enough in the mean needs more slots")
  func bursts() throws {
    // In 1.5 s the workers make 300 images, 9.4 batches.
    try expect(
      .slots, "takes batches in bursts: raise ring.slots from 8 to 18",
      in: Situation(trainer: 150, starved: 20, full: 25, burstWait: 1.5))
    // Without a time at which the ring was full, no burst shows.
    try expect(.slots, "raise ring.slots from 8 to 16", in: Situation(trainer: 150, starved: 20))
  }

  @Test("workers that wait for files need a faster disk, or more of them")
  func slowDisk() throws {
    let waiting = (worker: 50.0, core: 5.0, readWait: 44.0)
    try expect(
      .disk, "a worker waits 44.0 of 50.0 ms for files", "faster disk", "workers.count = 21",
      in: Situation(trainer: 400, starved: 90, cost: waiting))
    // Where files are read for the first time, they can stay in memory, unless they are too large for it.
    let first = Situation(trainer: 400, starved: 90, cost: waiting, images: 38_000)
    try expect(.coldCache, "for the first time (38 % of the dataset so far)", "12.0 GB", "40.0 GB", in: first)
    var large = first
    large.memory = 11_000_000_000
    try expect(.disk, "faster disk", in: large)
    large.memory = nil
    try expect(.disk, "faster disk", in: large)
  }

  @Test("workers that do not get their cores are not too few")
  func otherPrograms() throws {
    try expect(
      .otherPrograms, "2 cores would keep up", "have the cores for 50 % of the workers' time",
      in: Situation(cores: 2, trainer: 70, starved: 40, cost: (worker: 50, core: 25, readWait: 0)))
  }

  @Test("a trainer that holds every slot waits for itself")
  func holdsAll() throws {
    try expect(.heldSlots, "holds all 8 slots", in: Situation(starved: 50, full: 50, leased: 8))
  }

  @Test("the rank that waits most speaks for all ranks that are read")
  func ranks() throws {
    var measurement = Situation(trainer: 310, starved: 35).measurement
    let waiting = measurement.rings[0]
    measurement.rings.append(Situation(trainer: 200).measurement.rings[0])
    measurement.rings.append(Situation(trainer: 9000, starved: 90, isRead: false).measurement.rings[0])
    let pace = StatusReport.Pace(measurement)
    #expect(pace.trainerImagesPerSecond == 620)
    measurement.rings = [waiting]
    #expect(StatusReport.Pace(measurement).trainerImagesPerSecond == 310)
    try expect(.noTrainer, "no trainer reads", "2 workers can make 200 images/s", in: Situation(isRead: false))
  }

  @Test("where the detail says what keeps batches from coming, there is no advice beside it")
  func detail() throws {
    let status = try Situation(starved: 50).statusReport(detail: "1 worker waits: /a cannot be read")
    #expect(status.advice == nil)
    #expect(status.table().contains(": 1 worker waits: /a cannot be read"))
    #expect(try Situation(starved: 50).statusReport().table().contains("advice"))
  }

  @Test("there is no advice on a daemon that does not run", arguments: ["starting", "draining", "stopped", "unknown"])
  func silent(state: String) throws {
    #expect(try Situation(starved: 50).statusReport(state: state).advice == nil)
  }

  @Test("the pace survives its way as JSON")
  func json() throws {
    let status = try Situation(trainer: 310, starved: 35).statusReport()
    #expect(try StatusReport(json: status.json(pretty: true)) == status)
  }
}

/// A daemon and a trainer on paper: batches are made one after the other, each in the same time, while the ring has room.
private struct Simulation {
  /// Seconds that one worker takes for a batch.
  var batchSeconds = 0.4
  var workers = 2
  var slots = 4
  /// Seconds of one training step.
  var step: Double
  /// Steps between pauses, and how long a pause is, in seconds.
  var burst = 1
  var pause = 0.0

  private typealias Interval = (start: Double, end: Double)

  /// What the daemon would tell after two minutes.
  var pace: StatusReport.Pace {
    var full: [Interval] = []
    var starved: [Interval] = []
    var done: [Double] = []
    var made = 0.0
    var free = 0.0
    while free < 120 {
      let batch = done.count
      let room = batch < slots ? 0 : done[batch - slots]
      if room > made { full.append((made, room)) }
      made = max(made, room) + batchSeconds / Double(workers)
      if made > free { starved.append((free, made)) }
      let end = max(made, free) + step
      done.append(end)
      free = end + ((batch + 1) % burst == 0 ? pause : 0)
    }
    func sum(_ intervals: [Interval], until time: Double) -> UInt64 {
      UInt64(intervals.reduce(0) { $0 + max(0, min($1.end, time) - $1.start) } * 1e9)
    }
    func sample(_ time: Double) -> WaitingWindow.Sample {
      WaitingWindow.Sample(
        nanoseconds: UInt64(time * 1e9), fullNanoseconds: sum(full, until: time),
        starvedNanoseconds: sum(starved, until: time), usedBatches: UInt64(done.count { $0 <= time }))
    }
    var window = WaitingWindow(from: sample(0))
    for second in 1..<120 { window.note(sample(Double(second))) }
    let ring = PaceMeasurement.Ring(slots: slots, leased: 1, isRead: true, waits: window.waits(until: sample(120)))
    return StatusReport.Pace(
      PaceMeasurement(
        rings: [ring], batchSize: 32, workers: workers, cores: 64,
        cost: WorkWindow.Cost(workerSeconds: batchSeconds / 32, coreSeconds: batchSeconds / 32), samples: 1, images: 1,
        availableMemoryBytes: nil))
  }
}

@Suite("What is advised helps, on paper")
struct PaceSimulationTests {
  @Test(
    "as many workers as are said to be needed keep up, and a tenth less do not", arguments: [0.01, 0.03, 0.07, 0.12])
  func workers(step: Double) throws {
    let pace = Simulation(step: step).pace
    #expect(pace.limitedBy == .workers)
    let needed = try #require(pace.neededWorkers)
    #expect([.none, .trainer].contains(Simulation(workers: needed, step: step).pace.limitedBy))
    // What is needed in the mean, less a tenth of it.
    let few = Int((try #require(pace.neededCores) * 0.9).rounded(.down))
    #expect(Simulation(workers: few, step: step).pace.limitedBy == .workers)
  }

  @Test(
    "as many slots as are said to be needed bridge the bursts, and hardly fewer would",
    arguments: [(0.1, 20, 3.0), (0.02, 30, 8.0), (0.1, 100, 15.0), (0.15, 40, 3.0)])
  func slots(step: Double, burst: Int, pause: Double) throws {
    let bursty = Simulation(step: step, burst: burst, pause: pause)
    let pace = bursty.pace
    #expect(pace.limitedBy == .slots)
    var mended = bursty
    mended.slots = try #require(pace.neededSlots)
    #expect([.none, .trainer].contains(mended.pace.limitedBy))
    #expect(mended.slots <= burst + 2, "no more than a burst takes, and what is in work")
  }
}
