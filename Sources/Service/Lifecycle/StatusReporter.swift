import BatchIndex
import BatchRing
import Foundation
import StyleTransfer

/// Puts together what `sasslctl status` shows, from a running daemon's parts.
package struct StatusReporter: Sendable {
  /// At most this many bad files are listed.
  private static let listedQuarantine = 100

  let name: String
  let dataset: String
  let styleSource: String
  let stream: OpenedStream
  let pipeline: StreamPipeline
  let quarantine: Quarantine
  let index: BatchIndex
  let startedAt: Date

  /// The whole state now.
  func report(state: StatusReport.State, detail: String) -> StatusReport {
    let counts = pipeline.metrics.snapshot()
    let catalog = stream.source.catalog
    return StatusReport(
      programVersion: programVersion, name: name, state: state, detail: detail, process: getpid(),
      startedAtSeconds: startedAt.timeIntervalSince1970, uptimeSeconds: Date.now.timeIntervalSince(startedAt),
      fingerprint: stream.shortFingerprint, dataset: dataset, samples: catalog.count, model: stream.modelName,
      styleSource: styleSource, workers: pipeline.workerCount, cpuPath: "openblas",
      rings: pipeline.lanes.map(ring), images: counts.images, imagesPerSecond: counts.imagesPerSecond,
      stages: stages(counts), replacedSamples: counts.replaced,
      quarantine: quarantine.entries(limit: Self.listedQuarantine).map { entry in
        StatusReport.QuarantinedSample(
          sampleID: entry.sample, path: catalog.path(of: entry.sample).description, reason: entry.reason)
      },
      quarantinedFiles: quarantine.count, index: Self.sentence(index.health), residentBytes: Self.residentBytes())
  }

  private func ring(_ lane: StreamPipeline.Lane) -> StatusReport.Ring {
    let counters = lane.ring.counters
    let plan = lane.schedule.batch(counters.nextBatch)
    let age = Double(counters.nowNanoseconds - lane.ring.geometry.createdNanoseconds)
    func percent(_ nanoseconds: UInt64) -> Double { age > 0 ? min(100, Double(nanoseconds) / age * 100) : 0 }
    return StatusReport.Ring(
      rank: lane.schedule.rank, slots: lane.ring.geometry.slotCount, sizeBytes: Int(lane.ring.geometry.segmentBytes),
      readyBatches: Int(counters.ready), leasedBatches: Int(counters.leased), publishedBatches: counters.published,
      releasedBatches: counters.released, nextBatch: counters.nextBatch, epoch: plan.epoch, step: UInt64(plan.step),
      batchesPerEpoch: UInt64(lane.schedule.batchesPerEpoch),
      readerProcess: counters.consumerIsAlive ? Int32(counters.consumerProcess) : nil,
      fullPercent: percent(counters.producerWaitedNanoseconds),
      trainerStarvedPercent: percent(counters.consumerWaitedNanoseconds))
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
