import Basics
import FoundationEssentials
import Glibc
import LongWork

/// What `sasslctl status --json` prints: the whole state of one daemon at one moment.
///
/// The form is stable: keys are only ever added. Every number is finite. Units are in the names; times are seconds since 1970 (UTC).
package struct StatusReport: Codable, Sendable, Equatable {
  /// Where the daemon is in its life.
  package enum State: String, Codable, CaseIterable, Sendable {
    /// Reading the dataset and the model; no batch is ready yet.
    case starting
    /// Batches are made and handed over.
    case running
    /// Told to stop: batches in work are given up, published ones stay readable.
    case draining
    /// Not running; the report comes from the index.
    case stopped
    /// Something holds the stream's name, but gives no answer.
    case unknown
  }

  /// One ring: that of one rank.
  package struct Ring: Codable, Sendable, Equatable {
    /// The rank that reads this ring.
    package var rank: Int
    /// How many batches fit.
    package var slots: Int
    /// Size of the whole shared-memory segment.
    package var sizeBytes: Int
    /// Published batches that wait for the reader.
    package var readyBatches: Int = 0
    /// Batches that the reader holds now.
    package var leasedBatches: Int = 0
    /// Batches published since the daemon started.
    package var publishedBatches: UInt64 = 0
    /// Batches that the reader gave back since the daemon started.
    package var releasedBatches: UInt64 = 0
    /// The number of the batch that is made next.
    package var nextBatch: UInt64 = 0
    /// Epoch of that batch.
    package var epoch: UInt64 = 0
    /// Its step within the epoch.
    package var step: UInt64 = 0
    /// Batches of one epoch.
    package var batchesPerEpoch: UInt64 = 0
    /// Process that reads the ring, if one is attached.
    package var readerProcess: Int32?
    /// Part of the last minute, or of the time since the trainer attached, in which the ring was full and the workers waited.
    package var fullPercent = 0.0
    /// Part of the same time in which the trainer waited for a batch.
    package var trainerStarvedPercent = 0.0

    /// The ring of a rank, of which nothing more is known.
    package init(rank: Int, slots: Int, sizeBytes: Int) {
      self.rank = rank
      self.slots = slots
      self.sizeBytes = sizeBytes
    }
  }

  /// Core time that each stage took, per image, since start.
  package struct StageTimes: Codable, Sendable, Equatable {
    /// Reading the file.
    package var readMicroseconds: Double = 0
    /// A picture's file to pixels.
    package var decodeMicroseconds: Double = 0
    /// The crops of all views, resampling included.
    package var cropMicroseconds: Double = 0
    /// Style embeddings (the predictor F).
    package var embedMicroseconds: Double = 0
    /// Stylization (the transformer T) and blending.
    package var stylizeMicroseconds: Double = 0
    /// Flip, colour, blur, solarize of all views.
    package var augmentMicroseconds: Double = 0

    /// No time yet.
    package init() {}
  }

  /// A sample that cannot be used, with the reason.
  package struct QuarantinedSample: Codable, Sendable, Equatable {
    /// Its number in the catalog.
    package var sampleID: Int
    /// Its path on one line: line feeds appear as `\n`, bytes that are not UTF-8 as `\xFF`.
    package var path: String
    /// What is wrong with it.
    package var reason: String

    /// A bad sample and its reason.
    package init(sampleID: Int, path: String, reason: String) {
      self.sampleID = sampleID
      self.path = path
      self.reason = reason
    }

    // As the snake-case conversion spells it on the way back: `sample_id` becomes `sampleId`.
    enum CodingKeys: String, CodingKey {
      case sampleID = "sampleId"
      case path, reason
    }
  }

  /// The version of this form.
  package var formatVersion = 1
  /// Version of the program that answered.
  package var programVersion: String
  /// Name of the stream.
  package var name: String
  /// Where the daemon is in its life.
  package var state: State
  /// A sentence on why it is in that state, where there is something to say.
  package var detail: String
  /// The daemon's process, if it runs.
  package var process: Int32?
  /// When it started.
  package var startedAtSeconds: Double
  /// For how long it has run.
  package var uptimeSeconds: Double
  /// Hash of everything that determines the stream: the 64 hexadecimal digits that the ring's readers show too. Empty where it is
  /// not known.
  package var fingerprint: String
  /// Directory or list that the samples come from.
  package var dataset: String
  /// How many samples it has.
  package var samples: Int
  /// The style network: path, or `embedded`.
  package var model: String
  /// Where styles come from: `in-batch`, `folder`, `bank` or `none`.
  package var styleSource: String
  /// How many worker threads there are.
  package var workers: Int
  /// How many cores the daemon may use.
  package var cores: Int
  /// The instruction set that the style kernels use: `avx512`, `avx2` or `portable`.
  package var cpuPath: String
  /// One entry per rank.
  package var rings: [Ring]
  /// Images (samples, each with all its views) made since start.
  package var images: UInt64
  /// Images made per second over the last ten seconds.
  package var imagesPerSecond: Double
  /// Core time by stage.
  package var stages: StageTimes
  /// How many samples were replaced because their own file was bad.
  package var replacedSamples: UInt64
  /// Every bad file so far; at most 100 are listed.
  package var quarantine: [QuarantinedSample]
  /// How many bad files there are in all.
  package var quarantinedFiles: Int
  /// `ok`, or what is wrong with the index.
  package var index: String
  /// Resident memory of the daemon, the ring's pages that it touched included.
  package var residentBytes: Int
  /// The file that the daemon has its configuration from, if it runs.
  package var configurationFile: String?
  /// Who is how fast, and what it would take to keep up, if the daemon runs.
  package var pace: Pace?
  /// What a daemon that starts is doing, how far it is, and how long that will take.
  package var progress: ProgressReport?
}

extension StatusReport {
  /// The report as JSON with snake-case keys; `pretty` breaks it into lines.
  package func json(pretty: Bool) -> Data {
    ReportCoding.json(of: self, pretty: pretty)
  }

  /// Reads what `json(pretty:)` wrote.
  ///
  /// - Throws: `DecodingError` where it is no report.
  package init(json: Data) throws {
    self = try ReportCoding.report(StatusReport.self, from: json)
  }
}
