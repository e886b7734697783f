import Basics
import BatchIndex
import Control
import Pipeline

extension StatusReporter {
  /// What was counted since the start.
  func counts() -> DaemonCounts {
    let snapshot = pipeline.metrics.snapshot()
    func seconds(_ key: KeyPath<WorkerTime, UInt64>) -> Double {
      Double(snapshot.preparing[keyPath: key] + snapshot.finishing[keyPath: key]) / 1e9
    }
    return DaemonCounts(
      stages: zip(PipelineMetrics.Stage.allCases, snapshot.stages).map { stage, durations in
        DaemonCounts.Stage(name: "\(stage)", durations: durations)
      },
      batches: pipeline.lanes.map { lane in
        let times = snapshot.batches[lane.schedule.rank] ?? PipelineMetrics.BatchTimes()
        return DaemonCounts.Batches(rank: lane.schedule.rank, production: times.production, age: times.age)
      },
      workerBusySeconds: seconds(\.busyNanoseconds), workerCoreSeconds: seconds(\.coreNanoseconds),
      workerReadWaitSeconds: Double(snapshot.times.readWaitNanoseconds) / 1e9, readBytes: snapshot.times.readBytes,
      waitingWorkers: waiting.count, allowedBadFiles: quarantine.allowedCount, index: Self.counts(index.health))
  }

  private static func counts(_ health: IndexHealth) -> DaemonCounts.Index {
    DaemonCounts.Index(
      isDegraded: health.degradedBy != nil, waitingRecords: health.waitingRecords,
      writtenRecords: health.writtenRecords, lostRecords: health.droppedRecords, rebuilds: health.rebuilds)
  }
}
