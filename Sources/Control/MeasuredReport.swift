import Basics
import FoundationEssentials

/// What a daemon answers to `ControlRequest.metrics`: its state, and what it has counted.
package struct MeasuredReport: Codable, Sendable, Equatable {
  /// The state, as `sasslctl status` shows it.
  package var status: StatusReport
  /// What was counted since the daemon started; `nil` where its stream is not open yet, or it does not run.
  package var counts: DaemonCounts?

  /// A report of a daemon's state, and of what it has counted, if it has.
  package init(status: StatusReport, counts: DaemonCounts? = nil) {
    self.status = status
    self.counts = counts
  }

  /// The report as one line of JSON.
  package var json: Data { ReportCoding.json(of: self, pretty: false) }

  /// Reads what `json` wrote.
  ///
  /// - Throws: `DecodingError` where it is no such report.
  package init(json: Data) throws { self = try ReportCoding.report(MeasuredReport.self, from: json) }
}

/// What a daemon has counted since it started. Counters only rise.
package struct DaemonCounts: Codable, Sendable, Equatable {
  /// How long images were in one stage.
  package struct Stage: Codable, Sendable, Equatable {
    /// `read`, `decode`, `crop`, `embed`, `stylize` or `augment`.
    package var name: String
    /// Of the images that went through it, all their views together.
    package var durations: DurationHistogram

    /// A stage and how long images were in it.
    package init(name: String, durations: DurationHistogram) {
      self.name = name
      self.durations = durations
    }
  }

  /// How long one rank's batches took.
  package struct Batches: Codable, Sendable, Equatable {
    /// The rank.
    package var rank: Int
    /// From the beginning of work on a batch until it was published.
    package var production: DurationHistogram
    /// From then until the trainer gave it back.
    package var age: DurationHistogram

    /// How long the batches of `rank` took.
    package init(rank: Int, production: DurationHistogram, age: DurationHistogram) {
      self.rank = rank
      self.production = production
      self.age = age
    }
  }

  /// Whether the index keeps up.
  package struct Index: Codable, Sendable, Equatable {
    /// Whether nothing can be written at the moment.
    package var isDegraded: Bool
    /// Records that wait to be written.
    package var waitingRecords: Int
    /// Records that were written.
    package var writtenRecords: Int
    /// Records that were lost.
    package var lostRecords: Int
    /// How often the database was made anew.
    package var rebuilds: Int

    /// How the index is.
    package init(isDegraded: Bool, waitingRecords: Int, writtenRecords: Int, lostRecords: Int, rebuilds: Int) {
      self.isDegraded = isDegraded
      self.waitingRecords = waitingRecords
      self.writtenRecords = writtenRecords
      self.lostRecords = lostRecords
      self.rebuilds = rebuilds
    }
  }

  /// In the order of the work.
  package var stages: [Stage]
  /// One entry for each rank.
  package var batches: [Batches]
  /// For how long workers were at work, waiting for files and for a core included; in seconds, like what follows.
  package var workerBusySeconds: Double
  /// For how much of that they had a core.
  package var workerCoreSeconds: Double
  /// For how much of it they waited for files.
  package var workerReadWaitSeconds: Double
  /// Bytes of files that were read.
  package var readBytes: UInt64
  /// Workers that wait because the machine lacks something.
  package var waitingWorkers: Int
  /// Bad files that there may be before the stream ends.
  package var allowedBadFiles: Int
  /// Whether the index keeps up.
  package var index: Index

  /// What was counted.
  package init(
    stages: [Stage], batches: [Batches], workerBusySeconds: Double, workerCoreSeconds: Double,
    workerReadWaitSeconds: Double, readBytes: UInt64, waitingWorkers: Int, allowedBadFiles: Int, index: Index
  ) {
    self.stages = stages
    self.batches = batches
    self.workerBusySeconds = workerBusySeconds
    self.workerCoreSeconds = workerCoreSeconds
    self.workerReadWaitSeconds = workerReadWaitSeconds
    self.readBytes = readBytes
    self.waitingWorkers = waitingWorkers
    self.allowedBadFiles = allowedBadFiles
    self.index = index
  }
}
