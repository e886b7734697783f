import FoundationEssentials
import Glibc

/// One run of the service, from start to stop.
package struct InstanceRecord: Equatable, Sendable {
  /// The instance's UUID, as in the ring's header.
  package var identifier: String
  /// The daemon's process.
  package var processID: Int32
  /// When it started.
  package var startedAt: Date
  /// When it stopped, or nil while it runs; nil for ever where it was killed.
  package var stoppedAt: Date?
  /// The fingerprint of the configuration that determines the stream.
  package var configurationFingerprint: UInt64
  /// What else is worth knowing, by name: the stream, the data set, the model.
  package var facts: [String: String]

  /// A run that has started.
  package init(
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
package struct StageDurations: Equatable, Sendable {
  /// Waiting for a free slot of the ring.
  package var wait: Duration
  /// Reading and decoding files.
  package var decode: Duration
  /// Cropping and resampling.
  package var crop: Duration
  /// Style transfer.
  package var style: Duration
  /// Flips, colours, blur.
  package var augment: Duration
  /// Writing the slot: checksum and publication.
  package var write: Duration

  /// The durations of one batch.
  package init(
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

/// What was drawn for one sample in one view that may be stylized.
package struct DrawnStyle: Equatable, Sendable {
  /// The view; the first is view 0, as in the ring.
  package var view: Int
  /// The sample or style that lent its style, or -1 where none did.
  package var styleID: Int64
  /// Whether style transfer was applied.
  package var isStyled: Bool
  /// How far the content's embedding moved towards the style's, 0 to 1.
  package var alpha: Float
  /// How much of the stylized image was mixed in, 0 to 1.
  package var beta: Float

  /// The draws of one view.
  package init(view: Int, styleID: Int64, isStyled: Bool, alpha: Float, beta: Float) {
    self.view = view
    self.styleID = styleID
    self.isStyled = isStyled
    self.alpha = alpha
    self.beta = beta
  }
}

/// What was drawn for one sample of a batch.
package struct DrawnSample: Equatable, Sendable {
  /// The sample that the batch holds.
  package var sampleID: Int64
  /// The sample that should have been here but could not be read.
  package var replacedSampleID: Int64?
  /// Its styles: one entry for each view that may be stylized, in their order.
  package var styles: [DrawnStyle]

  /// The draws of one sample.
  package init(sampleID: Int64, replacedSampleID: Int64? = nil, styles: [DrawnStyle] = []) {
    self.sampleID = sampleID
    self.replacedSampleID = replacedSampleID
    self.styles = styles
  }
}

/// One column of what was drawn for the views of a batch, as the ring holds it.
package struct DrawnNumbers: Equatable, Sendable {
  /// The view; the first is view 0, as in the ring.
  package var view: Int
  /// What was drawn, such as `crop`.
  package var name: String
  /// How a number is stored: `bool`, `int32`, `int64` or `float32`.
  package var type: String
  /// How many numbers there are for each sample; `nil` for a single one.
  package var length: Int?
  /// The numbers of one sample after the other, the lowest byte first.
  package var bytes: [UInt8]

  /// A column.
  package init(view: Int, name: String, type: String, length: Int?, bytes: [UInt8]) {
    self.view = view
    self.name = name
    self.type = type
    self.length = length
    self.bytes = bytes
  }
}

/// One batch of one rank: where it is, when and how it was made, and what was drawn for it.
package struct BatchRecord: Equatable, Sendable {
  /// The number of the global batch.
  package var number: UInt64
  /// Whose slice of it this is.
  package var rank: Int
  /// The epoch that it belongs to.
  package var epoch: UInt64
  /// Its number within the epoch.
  package var step: Int
  /// The ring's slot that held it.
  package var slot: Int
  /// When it was published.
  package var madeAt: Date
  /// When the reader released it, or nil while it has not.
  package var consumedAt: Date?
  /// How long its stages took.
  package var stages: StageDurations
  /// What was drawn, sample by sample in the order of the batch.
  package var samples: [DrawnSample]
  /// What was drawn for the views, where the ring has that too.
  package var drawn: [DrawnNumbers]

  /// A batch that has been published.
  package init(
    number: UInt64, rank: Int, epoch: UInt64, step: Int, slot: Int, madeAt: Date, stages: StageDurations,
    samples: [DrawnSample], drawn: [DrawnNumbers] = []
  ) {
    self.number = number
    self.rank = rank
    self.epoch = epoch
    self.step = step
    self.slot = slot
    self.madeAt = madeAt
    self.stages = stages
    self.samples = samples
    self.drawn = drawn
  }
}

/// A file that could not be used.
package struct QuarantinedFile: Equatable, Sendable {
  /// The file's path, of any bytes.
  package var path: [UInt8]
  /// The sample that it is.
  package var sampleID: Int64
  /// What is wrong with it, as last seen.
  package var reason: String
  /// When it was first met.
  package var firstSeen: Date
  /// When it was last met.
  package var lastSeen: Date
  /// How often it was met.
  package var count: Int

  /// A file met once.
  package init(path: [UInt8], sampleID: Int64, reason: String, seenAt: Date) {
    self.path = path
    self.sampleID = sampleID
    self.reason = reason
    firstSeen = seenAt
    lastSeen = seenAt
    count = 1
  }
}

/// What the service did in one interval.
package struct ThroughputRecord: Equatable, Sendable {
  /// When the interval started.
  package var startedAt: Date
  /// The rank whose ring this is about.
  package var rank: Int
  /// How long the interval was.
  package var duration: Duration
  /// Images published in it.
  package var images: Int
  /// How much of it the ring was full: the service waited for the trainer.
  package var ringFull: Duration
  /// How much of it the trainer waited for the service.
  package var starved: Duration

  /// The record of one interval.
  package init(startedAt: Date, rank: Int, duration: Duration, images: Int, ringFull: Duration, starved: Duration) {
    self.startedAt = startedAt
    self.rank = rank
    self.duration = duration
    self.images = images
    self.ringFull = ringFull
    self.starved = starved
  }
}

/// The styles of one folder or file, in the order of their numbers.
package struct StyleBankRecord: Equatable, Sendable {
  /// One style of a bank.
  package struct Style: Equatable, Sendable {
    /// The file that it comes from, of any bytes.
    package var path: [UInt8]
    /// The hash of that file's contents, which names its embedding.
    package var contentHash: UInt64

    /// A style from a file.
    package init(path: [UInt8], contentHash: UInt64) {
      self.path = path
      self.contentHash = contentHash
    }
  }

  /// The bank's name.
  package var name: String
  /// Its styles; a style's number is its position.
  package var styles: [Style]

  /// A bank of styles.
  package init(name: String, styles: [Style]) {
    self.name = name
    self.styles = styles
  }
}

/// The embedding of one style image under one model: computed once, then looked up.
package struct StyleEmbeddingRecord: Equatable, Sendable {
  /// The hash of the image file's contents.
  package var contentHash: UInt64
  /// The fingerprint of the style predictor.
  package var modelFingerprint: UInt64
  /// The embedding, 100 numbers for today's models.
  package var embedding: [Float]

  /// An embedding that has been computed.
  package init(contentHash: UInt64, modelFingerprint: UInt64, embedding: [Float]) {
    self.contentHash = contentHash
    self.modelFingerprint = modelFingerprint
    self.embedding = embedding
  }
}
