import BatchIndex
import Control
import FoundationEssentials

/// Everything that the page shows, at one moment: what the browser asks for each second, or what a file has inside.
package struct PageState: Encodable, Sendable {
  /// The version of this form.
  let formatVersion = 1
  /// When it was collected, in seconds since 1970 UTC.
  let madeAtSeconds: Double
  /// What `sasslctl status --json` prints.
  let status: StatusReport
  /// What `sasslctl status` advises; absent where it advises nothing.
  let advice: String?
  /// What the configuration file has come to, where it cannot be read any more; what is shown is then the one that was read last.
  let configurationProblem: String?
  /// The configuration as `sasslctl config show` prints it.
  let configuration: String
  /// What is in the rings, one for each rank.
  var rings: [Ring]
  /// Why there is nothing from the index; absent where there is.
  let indexProblem: String?
  /// What the index knows, one for each rank.
  let history: [History]

  /// What is in the ring of one rank.
  struct Ring: Encodable, Sendable {
    let rank: Int
    /// Why nobody can look into it; absent where one can.
    let problem: String?
    /// Batches that fit; 0 where there is no ring.
    let slots: Int
    /// The batches that it holds, the oldest first.
    let batches: [Batch]
    /// The batch whose pictures are shown: not always the newest, nor always still in the ring.
    var shown: ShownBatch?
  }

  /// A batch in the ring.
  struct Batch: Encodable, Sendable {
    let batch: UInt64
    let epoch: UInt64
    let step: UInt64
    /// Whether the trainer holds it.
    let isLeased: Bool
  }

  /// What the index knows of one rank.
  struct History: Encodable, Sendable {
    /// What happened in an interval.
    struct Interval: Encodable, Sendable {
      let startedAtSeconds: Double
      let durationSeconds: Double
      let imagesPerSecond: Double
      /// Part of the interval in which the ring was full and the workers waited.
      let fullPercent: Double
      /// Part of the interval in which the trainer waited for a batch.
      let trainerStarvedPercent: Double
    }

    /// When a batch was made and given back, and the time that workers spent on it.
    struct Batch: Encodable, Sendable {
      let batch: UInt64
      let madeAtSeconds: Double
      let consumedAtSeconds: Double?
      let decodeMilliseconds: Double
      let cropMilliseconds: Double
      let styleMilliseconds: Double
      let augmentMilliseconds: Double
    }

    /// How strongly one view was stylized.
    struct Strength: Encodable, Sendable {
      let view: Int
      let samples: Int
      let stylized: Int
      /// How many had a value from so many hundredths on, to the next.
      let alpha: [Bin]
      let beta: [Bin]
    }

    /// A bar of a histogram.
    struct Bin: Encodable, Sendable {
      let hundredths: Int
      let count: Int
    }

    /// A style and how often it was drawn.
    struct Style: Encodable, Sendable {
      let styleId: Int64
      /// What it is called, where it has a name.
      let name: String?
      let count: Int
    }

    let rank: Int
    /// The latest last.
    let intervals: [Interval]
    /// The latest last.
    let batches: [Batch]
    /// How many of the latest batches the draws are counted in.
    let countedBatches: Int
    let strengths: [Strength]
    let differentStyles: Int
    /// The most frequent first.
    let styles: [Style]
  }

  /// The state as JSON with snake-case keys.
  func json() -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // Whatever stands in a ring that somebody has scribbled over.
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    // Numbers and text, which always encode.
    return Array(try! encoder.encode(self))
  }
}
