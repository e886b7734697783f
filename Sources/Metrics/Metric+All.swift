import Control

extension Metric {
  /// Every metric, in the order in which they are written.
  package static let all = ofStream + ofWork + ofBadFiles + ofRings + ofIndex

  /// The daemon, and what it was told.
  private static let ofStream: [Metric] = [
    .gauge("sassl_up", "Whether the daemon answers: 1, or 0 where it does not run or does not answer") {
      $0.answering == nil ? 0 : 1
    },
    .states(
      "sassl_state", StatusReport.State.allCases.map(\.rawValue), "Where the daemon is in its life"
    ) { $0.status.state.rawValue },
    Metric(name: "sassl", kind: .info, help: "What the daemon is and what it makes") { measured in
      guard let status = measured.answering else { return [] }
      let labels = [
        Label("version", status.programVersion), Label("fingerprint", status.fingerprint), Label("model", status.model),
        Label("style_source", status.styleSource), Label("cpu_path", status.cpuPath),
      ]
      return [Sample(labels: labels, value: .number(1))]
    },
    .gauge("sassl_start_time_seconds", "When the daemon started, in seconds since 1970 UTC") {
      $0.answering?.startedAtSeconds
    },
    .gauge("sassl_resident_memory_bytes", "Memory of the daemon, touched pages of the ring included") {
      $0.answering.map { Double($0.residentBytes) }
    },
    .gauge("sassl_samples", "Samples of the data set") { $0.serving.map { Double($0.samples) } },
    .gauge("sassl_workers", "Worker threads") { $0.answering.map { Double($0.workers) } },
    .gauge("sassl_cores", "Cores that the daemon may use") { $0.answering.map { Double($0.cores) } },
  ]

  /// What the workers have done, how long it took, and what would help.
  private static let ofWork: [Metric] = [
    .counter("sassl_images", "Images made, each a sample with all its views") { $0.serving.map { Double($0.images) } },
    Metric(
      name: "sassl_stage_seconds", kind: .histogram,
      help:
        "How long a worker was at one stage of an image, all its views together; images that do not go through it do not count"
    ) { measured in
      (measured.counts?.stages ?? []).map {
        Sample(labels: [Label("stage", $0.name)], value: .durations($0.durations))
      }
    },
    .counter(
      "sassl_worker_busy_seconds", "Time that workers were at work, waiting for files and for a core included"
    ) { $0.counts?.workerBusySeconds },
    .counter("sassl_worker_core_seconds", "Time in which busy workers had a core") {
      $0.counts?.workerCoreSeconds
    },
    .counter("sassl_worker_read_wait_seconds", "Time in which busy workers waited for files") {
      $0.counts?.workerReadWaitSeconds
    },
    .counter("sassl_read_bytes", "Bytes of files that were read") {
      $0.counts.map { Double($0.readBytes) }
    },
    .gauge("sassl_waiting_workers", "Workers that wait because the machine lacks something") {
      $0.counts.map { Double($0.waitingWorkers) }
    },
    .ofBatches(
      "sassl_batch_production_seconds",
      "How long making a batch took: from the beginning of work on it until it was published"
    ) { $0.production },
    .ofBatches(
      "sassl_batch_age_seconds",
      "How old a batch was when the trainer gave it back: since it was published; those that a seek has overtaken do not count"
    ) { $0.age },
    .states(
      "sassl_limited_by", StatusReport.Pace.Limit.allCases.map(\.rawValue),
      "What keeps trainer and workers from being faster together"
    ) { $0.status.pace?.limitedBy.rawValue },
    .gauge(
      "sassl_trainer_images_per_second",
      "Images a second that the trainer takes while it does not wait, all ranks together"
    ) { $0.status.pace?.trainerImagesPerSecond },
    .gauge("sassl_possible_images_per_second", "Images a second that the workers make while the ring has room") {
      $0.status.pace?.possibleImagesPerSecond
    },
    .gauge("sassl_needed_cores", "Cores that the workers would use if the trainer never waited") {
      $0.status.pace?.neededCores
    },
    .gauge("sassl_needed_workers", "Workers with which the trainer would not wait") {
      $0.status.pace?.neededWorkers.map { Double($0) }
    },
  ]

  /// Files that cannot be used.
  private static let ofBadFiles: [Metric] = [
    .counter("sassl_replaced_samples", "Samples in whose place another was shown, because their own file is bad") {
      $0.serving.map { Double($0.replacedSamples) }
    },
    .gauge("sassl_bad_files", "Bad files met since the daemon started") {
      $0.serving.map { Double($0.quarantinedFiles) }
    },
    .gauge("sassl_allowed_bad_files", "Bad files that there may be before the stream ends (limits.max_bad_fraction)") {
      $0.counts.map { Double($0.allowedBadFiles) }
    },
    .gauge("sassl_quarantined_files", "Bad files that the index knows, also from before the daemon started") {
      $0.index.map { Double($0.quarantinedFiles) }
    },
  ]

  /// Each rank's ring, by its own header: also while no daemon runs.
  private static let ofRings: [Metric] = [
    .ofRings(.gauge, "sassl_ring_slots", "Batches that fit") { Double($0.geometry.slotCount) },
    .ofRings(.gauge, "sassl_ring_size_bytes", "Shared memory of the ring") {
      Double($0.geometry.segmentBytes)
    },
    .ofRings(.gauge, "sassl_ring_ready_batches", "Finished batches that wait for the trainer") {
      Double($0.counters.ready)
    },
    .ofRings(.gauge, "sassl_ring_leased_batches", "Batches that the trainer holds") { Double($0.counters.leased) },
    .ofRings(.counter, "sassl_ring_published_batches", "Batches that were finished") { Double($0.counters.published) },
    .ofRings(.counter, "sassl_ring_released_batches", "Batches that the trainer gave back, dropped ones included") {
      Double($0.counters.released)
    },
    .ofRings(.counter, "sassl_ring_dropped_batches", "Batches that a seek has overtaken before they were read") {
      Double($0.counters.dropped)
    },
    Metric(
      name: "sassl_ring_waited_seconds", kind: .counter,
      help: "Time that one side has waited for the other, the present wait included: the trainer for a batch, "
        + "the daemon for room in a full ring"
    ) { measured in
      measured.rings.flatMap { ring in
        let sides = [
          ("trainer", ring.counters.consumerWaitedNanoseconds), ("daemon", ring.counters.producerWaitedNanoseconds),
        ]
        return sides.compactMap { sample(Double($1) / 1e9, [rank(ring.rank), Label("side", $0)]) }
      }
    },
    .ofRings(.gauge, "sassl_ring_reader_attached", "Whether a trainer is attached: 1 or 0") {
      $0.counters.consumerIsAlive ? 1 : 0
    },
    .ofRings(.gauge, "sassl_ring_next_batch", "Number of the batch that is published next") {
      Double($0.counters.nextBatch)
    },
    .ofRings(.gauge, "sassl_ring_reader_next_batch", "Number of the lowest batch that the trainer has not given back") {
      Double($0.counters.readerNext)
    },
    .ofRings(.gauge, "sassl_ring_batches_per_epoch", "Batches of one epoch") { Double($0.geometry.batchesPerEpoch) },
  ]

  /// The index: how the daemon writes it, and what it says.
  private static let ofIndex: [Metric] = [
    .gauge("sassl_index_degraded", "Whether nothing can be written to the index at the moment: 1 or 0") {
      $0.counts.map { $0.index.isDegraded ? 1 : 0 }
    },
    .gauge("sassl_index_waiting_records", "Records that wait to be written to the index") {
      $0.counts.map { Double($0.index.waitingRecords) }
    },
    .counter("sassl_index_written_records", "Records that were written to the index") {
      $0.counts.map { Double($0.index.writtenRecords) }
    },
    .counter("sassl_index_lost_records", "Records that were lost because the index could not be written for too long") {
      $0.counts.map { Double($0.index.lostRecords) }
    },
    .counter("sassl_index_rebuilds", "How often the index was made anew because it was deleted or damaged") {
      $0.counts.map { Double($0.index.rebuilds) }
    },
    Metric(
      name: "sassl_index_latest_batch", kind: .gauge,
      help: "Number of the latest batch of the index"
    ) { $0.latestBatches { Double($0.number) } },
    Metric(
      name: "sassl_index_latest_batch_time_seconds", kind: .gauge,
      help: "When the latest batch of the index was made, in seconds since 1970 UTC"
    ) { $0.latestBatches { $0.madeAtSeconds } },
  ]
}

extension StreamMeasurement {
  /// A value for each rank that the index knows a batch of.
  fileprivate func latestBatches(_ value: (LatestBatch) -> Double) -> [Metric.Sample] {
    (index?.latestBatches ?? []).compactMap { Metric.sample(value($0), [Metric.rank($0.rank)]) }
  }
}
