import Basics
import BatchIndex
import BatchRing
import FoundationEssentials
import Glibc
import Pipeline

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
