import FoundationEssentials
import Glibc

/// One run of the service, from start to stop.
public struct InstanceRecord: Equatable, Sendable {
  /// The instance's UUID, as in the ring's header.
  public var identifier: String
  /// The daemon's process.
  public var processID: Int32
  /// When it started.
  public var startedAt: Date
  /// When it stopped, or nil while it runs; nil for ever where it was killed.
  public var stoppedAt: Date?
  /// The fingerprint of the configuration that determines the stream.
  public var configurationFingerprint: UInt64
  /// What else is worth knowing, by name: the stream, the data set, the model.
  public var facts: [String: String]

  /// A run that has started.
  public init(
    identifier: String, processID: Int32, startedAt: Date, configurationFingerprint: UInt64,
    facts: [String: String] = [:]
  ) {
    self.identifier = identifier
    self.processID = processID
    self.startedAt = startedAt
    self.configurationFingerprint = configurationFingerprint
    self.facts = facts
  }
}

/// How long the stages of making a batch took, each summed over the workers.
public struct StageDurations: Equatable, Sendable {
  /// Waiting for a free slot of the ring.
  public var wait: Duration
  /// Reading and decoding files.
  public var decode: Duration
  /// Cropping and resampling.
  public var crop: Duration
  /// Style transfer.
  public var style: Duration
  /// Flips, colours, blur.
  public var augment: Duration
  /// Writing the slot: checksum and publication.
  public var write: Duration

  /// The durations of one batch.
  public init(
    wait: Duration = .zero, decode: Duration = .zero, crop: Duration = .zero, style: Duration = .zero,
    augment: Duration = .zero, write: Duration = .zero
  ) {
    self.wait = wait
    self.decode = decode
    self.crop = crop
    self.style = style
    self.augment = augment
    self.write = write
  }
}

/// What was drawn for one sample of a batch.
public struct DrawnSample: Equatable, Sendable {
  /// The sample that the batch holds.
  public var sampleID: Int64
  /// The sample or style that lent its style, or -1 where none did.
  public var styleID: Int64
  /// Whether style transfer was applied.
  public var isStyled: Bool
  /// How far the content's embedding moved towards the style's, 0 to 1.
  public var alpha: Float
  /// How much of the stylized image was mixed in, 0 to 1.
  public var beta: Float
  /// The sample that should have been here but could not be read.
  public var replacedSampleID: Int64?

  /// The draws of one sample.
  public init(
    sampleID: Int64, styleID: Int64 = -1, isStyled: Bool = false, alpha: Float = 0, beta: Float = 0,
    replacedSampleID: Int64? = nil
  ) {
    self.sampleID = sampleID
    self.styleID = styleID
    self.isStyled = isStyled
    self.alpha = alpha
    self.beta = beta
    self.replacedSampleID = replacedSampleID
  }
}

/// One batch of one rank: where it is, when and how it was made, and what was drawn for it.
public struct BatchRecord: Equatable, Sendable {
  /// The number of the global batch.
  public var number: UInt64
  /// Whose slice of it this is.
  public var rank: Int
  /// The epoch that it belongs to.
  public var epoch: UInt64
  /// Its number within the epoch.
  public var step: Int
  /// The ring's slot that held it.
  public var slot: Int
  /// When it was published.
  public var madeAt: Date
  /// When the reader released it, or nil while it has not.
  public var consumedAt: Date?
  /// How long its stages took.
  public var stages: StageDurations
  /// What was drawn, sample by sample in the order of the batch.
  public var samples: [DrawnSample]

  /// A batch that has been published.
  public init(
    number: UInt64, rank: Int, epoch: UInt64, step: Int, slot: Int, madeAt: Date, stages: StageDurations,
    samples: [DrawnSample]
  ) {
    self.number = number
    self.rank = rank
    self.epoch = epoch
    self.step = step
    self.slot = slot
    self.madeAt = madeAt
    self.stages = stages
    self.samples = samples
  }
}

/// A file that could not be used.
public struct QuarantinedFile: Equatable, Sendable {
  /// The file's path, of any bytes.
  public var path: [UInt8]
  /// The sample that it is.
  public var sampleID: Int64
  /// What is wrong with it, as last seen.
  public var reason: String
  /// When it was first met.
  public var firstSeen: Date
  /// When it was last met.
  public var lastSeen: Date
  /// How often it was met.
  public var count: Int

  /// A file met once.
  public init(path: [UInt8], sampleID: Int64, reason: String, seenAt: Date) {
    self.path = path
    self.sampleID = sampleID
    self.reason = reason
    firstSeen = seenAt
    lastSeen = seenAt
    count = 1
  }
}

/// What the service did in one interval.
public struct ThroughputRecord: Equatable, Sendable {
  /// When the interval started.
  public var startedAt: Date
  /// The rank whose ring this is about.
  public var rank: Int
  /// How long the interval was.
  public var duration: Duration
  /// Images published in it.
  public var images: Int
  /// How much of it the ring was full: the service waited for the trainer.
  public var ringFull: Duration
  /// How much of it the trainer waited for the service.
  public var starved: Duration

  /// The record of one interval.
  public init(startedAt: Date, rank: Int, duration: Duration, images: Int, ringFull: Duration, starved: Duration) {
    self.startedAt = startedAt
    self.rank = rank
    self.duration = duration
    self.images = images
    self.ringFull = ringFull
    self.starved = starved
  }
}

/// The styles of one folder or file, in the order of their numbers.
public struct StyleBankRecord: Equatable, Sendable {
  /// One style of a bank.
  public struct Style: Equatable, Sendable {
    /// The file that it comes from, of any bytes.
    public var path: [UInt8]
    /// The hash of that file's contents, which names its embedding.
    public var contentHash: UInt64

    /// A style from a file.
    public init(path: [UInt8], contentHash: UInt64) {
      self.path = path
      self.contentHash = contentHash
    }
  }

  /// The bank's name.
  public var name: String
  /// Its styles; a style's number is its position.
  public var styles: [Style]

  /// A bank of styles.
  public init(name: String, styles: [Style]) {
    self.name = name
    self.styles = styles
  }
}

/// The embedding of one style image under one model: computed once, then looked up.
public struct StyleEmbeddingRecord: Equatable, Sendable {
  /// The hash of the image file's contents.
  public var contentHash: UInt64
  /// The fingerprint of the style predictor.
  public var modelFingerprint: UInt64
  /// The embedding, 100 numbers for today's models.
  public var embedding: [Float]

  /// An embedding that has been computed.
  public init(contentHash: UInt64, modelFingerprint: UInt64, embedding: [Float]) {
    self.contentHash = contentHash
    self.modelFingerprint = modelFingerprint
    self.embedding = embedding
  }
}
