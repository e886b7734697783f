import Basics
import BatchIndex
import BatchRing
import FoundationEssentials
import Glibc
import StyleTransfer

/// Puts together what `sasslctl status` shows, from a running daemon's parts.
final class StatusReporter: Sendable {
  /// At most this many bad files are listed.
  private static let listedQuarantine = 100

  private let configuration: ServiceConfiguration
  private let stream: OpenedStream
  private let pipeline: StreamPipeline
  private let quarantine: Quarantine
  private let waiting: WaitingWorkers
  private let index: BatchIndex
  private let startedAt: Moment
  private let lock = Lock()
  /// Guarded by `lock`: one for each lane.
  private nonisolated(unsafe) var windows: [WaitingWindow]

  /// A reporter on a stream that runs, or is about to.
  init(
    _ configuration: ServiceConfiguration, stream: OpenedStream, pipeline: StreamPipeline, quarantine: Quarantine,
    waiting: WaitingWorkers, index: BatchIndex, startedAt: Moment
  ) {
    self.configuration = configuration
    self.stream = stream
    self.pipeline = pipeline
    self.quarantine = quarantine
    self.waiting = waiting
    self.index = index
    self.startedAt = startedAt
    windows = pipeline.lanes.map { WaitingWindow(from: Self.mark($0.ring.counters)) }
  }

  /// Notes who waits for whom; call it every second or so, whether or not anybody asks.
  func observe() {
    lock.withLock {
      for (position, lane) in pipeline.lanes.enumerated() { windows[position].note(Self.mark(lane.ring.counters)) }
    }
  }

  private static func mark(_ counters: RingCounters) -> WaitingWindow.Mark {
    WaitingWindow.Mark(
      nanoseconds: counters.nowNanoseconds, fullNanoseconds: counters.producerWaitedNanoseconds,
      starvedNanoseconds: counters.consumerWaitedNanoseconds)
  }

  /// The whole state now.
  func report(state: StatusReport.State) -> StatusReport {
    let counts = pipeline.metrics.snapshot()
    let catalog = stream.source.catalog
    return StatusReport(
      programVersion: programVersion, name: configuration.stream.name, state: state,
      detail: waiting.sentence ?? pipeline.ringTrouble ?? "",
      process: getpid(), startedAtSeconds: startedAt.date.timeIntervalSince1970, uptimeSeconds: startedAt.secondsSince,
      fingerprint: stream.shortFingerprint, dataset: configuration.dataset.path, samples: catalog.count,
      model: stream.modelName,
      styleSource: stream.source.model == nil ? "none" : configuration.style.source.rawValue,
      workers: pipeline.workerCount, cores: ProcessorShare.cores, cpuPath: KernelPath.selected,
      rings: pipeline.lanes.indices.map(ring), images: counts.images, imagesPerSecond: counts.imagesPerSecond,
      stages: stages(counts), replacedSamples: counts.replaced,
      quarantine: quarantine.entries(limit: Self.listedQuarantine).map { entry in
        StatusReport.QuarantinedSample(
          sampleID: entry.sample, path: catalog.path(of: entry.sample).description, reason: entry.reason)
      },
      quarantinedFiles: quarantine.count, index: Self.sentence(index.health), residentBytes: Self.residentBytes())
  }

  private func ring(_ position: Int) -> StatusReport.Ring {
    let lane = pipeline.lanes[position]
    let counters = lane.ring.counters
    let plan = lane.schedule.batch(counters.nextBatch)
    let waited = lock.withLock { windows[position].percentages(until: Self.mark(counters)) }
    return StatusReport.Ring(
      rank: lane.schedule.rank, slots: lane.ring.geometry.slotCount, sizeBytes: Int(lane.ring.geometry.segmentBytes),
      readyBatches: Int(counters.ready), leasedBatches: Int(counters.leased), publishedBatches: counters.published,
      releasedBatches: counters.released, nextBatch: counters.nextBatch, epoch: plan.epoch, step: UInt64(plan.step),
      batchesPerEpoch: UInt64(lane.schedule.batchesPerEpoch),
      readerProcess: counters.consumerIsAlive ? Int32(counters.consumerProcess) : nil,
      fullPercent: waited.full, trainerStarvedPercent: waited.starved)
  }

  private func stages(_ counts: PipelineMetrics.Snapshot) -> StatusReport.StageTimes {
    func each(_ stage: PipelineMetrics.Stage) -> Double {
      counts.images == 0 ? 0 : Double(counts.times.nanoseconds[stage.rawValue]) / 1000 / Double(counts.images)
    }
    return StatusReport.StageTimes(
      readMicroseconds: each(.read), decodeMicroseconds: each(.decode), cropMicroseconds: each(.crop),
      embedMicroseconds: each(.embed), stylizeMicroseconds: each(.stylize), augmentMicroseconds: each(.augment))
  }

  static func sentence(_ health: IndexHealth) -> String {
    guard let reason = health.degradedBy else {
      return health.droppedRecords == 0 ? "ok" : "ok again, \(health.droppedRecords) records were lost"
    }
    return
      "degraded: \(reason); the stream goes on, \(health.waitingRecords) records wait, \(health.droppedRecords) are lost"
  }

  /// Resident memory of this process from `/proc/self/statm`, in bytes; 0 where that cannot be read.
  static func residentBytes() -> Int {
    guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return 0 }
    let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
  }
}
