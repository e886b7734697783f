import Basics
import BatchIndex
import BatchRing
import Configuration
import Control
import FoundationEssentials
import Machine
import Pipeline
import Streams

/// Puts together what `sasslctl status` shows, from a running daemon's parts.
final class StatusReporter: Sendable {
  /// At most this many bad files are listed.
  private static let listedQuarantine = 100

  private let configuration: ServiceConfiguration
  private let stream: OpenedStream
  let pipeline: StreamPipeline
  let quarantine: Quarantine
  let waiting: WaitingWorkers
  let index: BatchIndex
  private let startedAt: Moment
  private let configurationFile: String
  private let windows: Mutex<Windows>

  /// What was seen of both sides lately.
  private struct Windows {
    /// One for each lane.
    var waiting: [WaitingWindow]
    var work: WorkWindow
  }

  /// A reporter on a stream that runs, or is about to.
  init(
    _ configuration: ServiceConfiguration, stream: OpenedStream, pipeline: StreamPipeline, quarantine: Quarantine,
    waiting: WaitingWorkers, index: BatchIndex, startedAt: Moment,
    configurationFile: String
  ) {
    self.configuration = configuration
    self.stream = stream
    self.pipeline = pipeline
    self.quarantine = quarantine
    self.waiting = waiting
    self.index = index
    self.startedAt = startedAt
    self.configurationFile = URL(filePath: configurationFile).absoluteURL.path(percentEncoded: false)
    windows = Mutex(
      Windows(
        waiting: pipeline.lanes.map { WaitingWindow(from: Self.sample($0.ring.counters)) },
        work: WorkWindow(from: Self.sample(pipeline.metrics.snapshot()))))
  }

  /// Notes how far both sides are; call it every second or so, whether or not anybody asks.
  func observe() {
    windows.withLock {
      for (position, lane) in pipeline.lanes.enumerated() { $0.waiting[position].note(Self.sample(lane.ring.counters)) }
      $0.work.note(Self.sample(pipeline.metrics.snapshot()))
    }
  }

  private static func sample(_ counters: RingCounters) -> WaitingWindow.Sample {
    WaitingWindow.Sample(
      nanoseconds: counters.nowNanoseconds, fullNanoseconds: counters.producerWaitedNanoseconds,
      starvedNanoseconds: counters.consumerWaitedNanoseconds,
      usedBatches: counters.released - min(counters.released, counters.dropped),
      attachedNanoseconds: counters.consumerAttachedNanoseconds)
  }

  private static func sample(_ counts: PipelineMetrics.Snapshot) -> WorkWindow.Sample {
    func stage(_ time: WorkerTime) -> WorkWindow.Sample.Stage {
      WorkWindow.Sample.Stage(
        images: time.count, busyNanoseconds: time.busyNanoseconds, coreNanoseconds: time.coreNanoseconds)
    }
    var sample = WorkWindow.Sample(nanoseconds: clockNanoseconds())
    sample.prepared = stage(counts.preparing)
    sample.finished = stage(counts.finishing)
    sample.readWaitNanoseconds = counts.times.readWaitNanoseconds
    sample.readBytes = counts.times.readBytes
    return sample
  }

  /// The whole state now. A daemon that starts is running as soon as a reader may have its first batch.
  func report(state: StatusReport.State) -> StatusReport {
    let hasPublished = pipeline.lanes.contains { $0.ring.counters.published > 0 }
    let state = state == .starting && hasPublished ? .running : state
    let counts = pipeline.metrics.snapshot()
    let catalog = stream.source.catalog
    var report = StatusReport(
      ofThisProcess: configuration, state: state, detail: waiting.sentence ?? pipeline.ringTrouble ?? "",
      startedAt: startedAt)
    report.fingerprint = stream.fingerprintText
    report.samples = catalog.count
    report.model = stream.modelName
    if stream.source.model == nil { report.styleSource = "none" }
    report.workers = pipeline.workerCount
    let seen = windows.withLock { $0 }
    let lanes = zip(pipeline.lanes, seen.waiting).map { lane, window in
      let counters = lane.ring.counters
      return (lane: lane, counters: counters, waits: window.waits(until: Self.sample(counters)))
    }
    report.rings = lanes.map { ring($0.lane, $0.counters, waits: $0.waits) }
    report.pace = StatusReport.Pace(
      PaceMeasurement(
        rings: lanes.map { lane, counters, waits in
          PaceMeasurement.Ring(
            slots: lane.ring.geometry.slotCount, leased: Int(counters.leased), isRead: counters.consumerIsAlive,
            waits: waits)
        },
        batchSize: configuration.batch.size, workers: report.workers, cores: report.cores,
        cost: seen.work.cost(until: Self.sample(counts)), samples: catalog.count, images: counts.images,
        availableMemoryBytes: AvailableMemory.bytes))
    report.images = counts.images
    report.imagesPerSecond = counts.imagesPerSecond
    report.stages = stages(counts)
    report.replacedSamples = counts.replaced
    report.quarantine = quarantine.entries(limit: Self.listedQuarantine).map { entry in
      StatusReport.QuarantinedSample(
        sampleID: entry.sample, path: catalog.path(of: entry.sample).description, reason: entry.reason)
    }
    report.quarantinedFiles = quarantine.count
    report.index = Self.sentence(index.health)
    report.configurationFile = configurationFile
    return report
  }

  private func ring(
    _ lane: StreamPipeline.Lane, _ counters: RingCounters, waits: WaitingWindow.Waits
  ) -> StatusReport.Ring {
    let plan = lane.schedule.batch(counters.nextBatch)
    let geometry = lane.ring.geometry
    var ring = StatusReport.Ring(
      rank: lane.schedule.rank, slots: geometry.slotCount, sizeBytes: Int(geometry.segmentBytes))
    ring.readyBatches = Int(counters.ready)
    ring.leasedBatches = Int(counters.leased)
    ring.publishedBatches = counters.published
    ring.releasedBatches = counters.released
    ring.nextBatch = counters.nextBatch
    ring.epoch = plan.epoch
    ring.step = UInt64(plan.step)
    ring.batchesPerEpoch = UInt64(lane.schedule.batchesPerEpoch)
    ring.readerProcess = counters.consumerIsAlive ? Int32(counters.consumerProcess) : nil
    ring.fullPercent = waits.fullPercent
    ring.trainerStarvedPercent = waits.starvedPercent
    return ring
  }

  private func stages(_ counts: PipelineMetrics.Snapshot) -> StatusReport.StageTimes {
    func each(_ stage: PipelineMetrics.Stage) -> Double {
      counts.images == 0 ? 0 : Double(counts.times.nanoseconds[stage.rawValue]) / 1000 / Double(counts.images)
    }
    var times = StatusReport.StageTimes()
    times.readMicroseconds = each(.read)
    times.decodeMicroseconds = each(.decode)
    times.cropMicroseconds = each(.crop)
    times.embedMicroseconds = each(.embed)
    times.stylizeMicroseconds = each(.stylize)
    times.augmentMicroseconds = each(.augment)
    return times
  }

  static func sentence(_ health: IndexHealth) -> String {
    guard let reason = health.degradedBy else {
      return health.droppedRecords == 0 ? "ok" : "ok again, \(health.droppedRecords) records were lost"
    }
    return
      "degraded: \(reason); the stream goes on, \(health.waitingRecords) records wait, \(health.droppedRecords) are lost"
  }
}
