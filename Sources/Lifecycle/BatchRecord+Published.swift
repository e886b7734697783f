import BatchIndex
import FoundationEssentials
import Pipeline

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
      samples: published.samples, drawn: published.drawn)
  }
}
