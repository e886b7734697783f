import BatchIndex
import Pipeline

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
