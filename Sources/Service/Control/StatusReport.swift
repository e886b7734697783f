import FoundationEssentials
import Glibc

/// What `sasslctl status --json` prints: the whole state of one daemon at one moment.
///
/// The form is stable: keys are only ever added. Units are in the names; times are seconds since 1970 (UTC).
public struct StatusReport: Codable, Sendable, Equatable {
  /// Where the daemon is in its life.
  public enum State: String, Codable, Sendable {
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
  public struct Ring: Codable, Sendable, Equatable {
    /// The rank that reads this ring.
    public var rank: Int
    /// How many batches fit.
    public var slots: Int
    /// Size of the whole shared-memory segment.
    public var sizeBytes: Int
    /// Published batches that wait for the reader.
    public var readyBatches: Int
    /// Batches that the reader holds now.
    public var leasedBatches: Int
    /// Batches published since the daemon started.
    public var publishedBatches: UInt64
    /// Batches that the reader gave back since the daemon started.
    public var releasedBatches: UInt64
    /// The number of the batch that is made next.
    public var nextBatch: UInt64
    /// Epoch of that batch.
    public var epoch: UInt64
    /// Its step within the epoch.
    public var step: UInt64
    /// Batches of one epoch.
    public var batchesPerEpoch: UInt64
    /// Process that reads the ring, if one is attached.
    public var readerProcess: Int32?
    /// Part of the last minute in which the ring was full and the workers waited for the trainer.
    public var fullPercent: Double
    /// Part of the last minute in which the trainer waited for a batch.
    public var trainerStarvedPercent: Double
  }

  /// Core time that each stage took, per image, since start.
  public struct StageTimes: Codable, Sendable, Equatable {
    /// Reading the file.
    public var readMicroseconds: Double = 0
    /// JPEG or PNG to pixels.
    public var decodeMicroseconds: Double = 0
    /// The crops of all views, resampling included.
    public var cropMicroseconds: Double = 0
    /// Style embeddings (the predictor F).
    public var embedMicroseconds: Double = 0
    /// Stylization (the transformer T) and blending.
    public var stylizeMicroseconds: Double = 0
    /// Flip, colour, blur, solarize of all views.
    public var augmentMicroseconds: Double = 0
  }

  /// A sample that cannot be used, with the reason.
  public struct QuarantinedSample: Codable, Sendable, Equatable {
    /// Its number in the catalog.
    public var sampleID: Int
    /// Its path on one line: line feeds appear as `\n`, bytes that are not UTF-8 as `\xFF`.
    public var path: String
    /// What is wrong with it.
    public var reason: String

    /// A bad sample and its reason.
    public init(sampleID: Int, path: String, reason: String) {
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
  public var formatVersion = 1
  /// Version of the program that answered.
  public var programVersion: String
  /// Name of the stream.
  public var name: String
  /// Where the daemon is in its life.
  public var state: State
  /// A sentence on why it is in that state, where there is something to say.
  public var detail: String
  /// The daemon's process, if it runs.
  public var process: Int32?
  /// When it started.
  public var startedAtSeconds: Double
  /// For how long it has run.
  public var uptimeSeconds: Double
  /// Hash of everything that determines the stream.
  public var fingerprint: String
  /// Directory or list that the samples come from.
  public var dataset: String
  /// How many samples it has.
  public var samples: Int
  /// The style network: path, or `embedded`.
  public var model: String
  /// Where styles come from: `in-batch`, `folder`, `bank` or `none`.
  public var styleSource: String
  /// How many worker threads there are.
  public var workers: Int
  /// How many cores the daemon may use.
  public var cores: Int
  /// The instruction set that the style kernels use: `avx512`, `avx2` or `portable`.
  public var cpuPath: String
  /// One entry per rank.
  public var rings: [Ring]
  /// Images (samples, each with all its views) made since start.
  public var images: UInt64
  /// Images made per second over the last ten seconds.
  public var imagesPerSecond: Double
  /// Core time by stage.
  public var stages: StageTimes
  /// How many samples were replaced because their own file was bad.
  public var replacedSamples: UInt64
  /// Every bad file so far; at most 100 are listed.
  public var quarantine: [QuarantinedSample]
  /// How many bad files there are in all.
  public var quarantinedFiles: Int
  /// `ok`, or what is wrong with the index.
  public var index: String
  /// Resident memory of the daemon, the ring's pages that it touched included.
  public var residentBytes: Int
}

extension StatusReport {
  /// The report as JSON with snake-case keys; `pretty` breaks it into lines.
  public func json(pretty: Bool) -> Data {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = pretty ? [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes] : [.sortedKeys]
    // A report holds only finite numbers and text, which always encode.
    return try! encoder.encode(self)
  }

  /// Reads what `json(pretty:)` wrote.
  ///
  /// - Throws: `DecodingError` where it is no report.
  public init(json: Data) throws {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    self = try decoder.decode(StatusReport.self, from: json)
  }
}
