import BatchIndex
import BatchRing
import FoundationEssentials
import Glibc

extension BatchRecord {
  /// What the index keeps of a published batch.
  init(_ published: StreamPipeline.Published) {
    func time(_ stages: PipelineMetrics.Stage...) -> Duration {
      .nanoseconds(stages.reduce(Int64(0)) { $0 + Int64(published.times.nanoseconds[$1.rawValue]) })
    }
    self.init(
      number: published.plan.number, rank: published.rank, epoch: published.plan.epoch, step: published.plan.step,
      slot: published.slot, madeAt: .now,
      stages: StageDurations(
        decode: time(.read, .decode), crop: time(.crop), style: time(.embed, .stylize), augment: time(.augment)),
      samples: published.samples)
  }
}

/// Writes the throughput history: one record per rank and interval.
struct ThroughputHistory {
  private let pipeline: StreamPipeline
  private let index: BatchIndex
  private let interval: TimeInterval
  private var startedAt = Moment()
  private var last: [RingCounters]

  init(pipeline: StreamPipeline, index: BatchIndex, interval: TimeInterval) {
    self.pipeline = pipeline
    self.index = index
    self.interval = interval
    last = pipeline.lanes.map { $0.ring.counters }
  }

  /// Records the interval that has passed, if one has.
  mutating func update() {
    let duration = startedAt.secondsSince
    guard duration >= interval else { return }
    for (position, lane) in pipeline.lanes.enumerated() {
      let counters = lane.ring.counters
      // A ring that was made anew counts from nothing.
      func grown(_ counter: KeyPath<RingCounters, UInt64>) -> UInt64 {
        let before = last[position][keyPath: counter]
        let present = counters[keyPath: counter]
        return present >= before ? present - before : present
      }
      index.record(
        ThroughputRecord(
          startedAt: startedAt.date, rank: lane.schedule.rank, duration: .seconds(duration),
          images: Int(clamping: grown(\.published)) * lane.schedule.batchSize,
          ringFull: .nanoseconds(Int64(clamping: grown(\.producerWaitedNanoseconds))),
          starved: .nanoseconds(Int64(clamping: grown(\.consumerWaitedNanoseconds)))))
      last[position] = counters
    }
    startedAt = Moment()
  }
}

/// Notes in the index which batches the readers have given back.
struct ConsumptionWatch {
  private let pipeline: StreamPipeline
  private let index: BatchIndex
  private var next: [UInt64]

  init(pipeline: StreamPipeline, index: BatchIndex) {
    self.pipeline = pipeline
    self.index = index
    next = pipeline.lanes.map { $0.ring.counters.readerNext }
  }

  /// Records what has been released since the last look.
  mutating func update() {
    for (position, lane) in pipeline.lanes.enumerated() {
      let readerNext = lane.ring.counters.readerNext
      // After a seek the reader is elsewhere: what lies between was not read.
      if readerNext > next[position], readerNext - next[position] <= UInt64(lane.ring.geometry.slotCount) * 64 {
        for number in next[position]..<readerNext {
          index.recordConsumption(ofBatch: number, rank: lane.schedule.rank, at: .now)
        }
      }
      next[position] = readerNext
    }
  }
}
