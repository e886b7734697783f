import Basics

/// What was found in a data set's folder and is no part of the data set.
package struct LeftOut: Sendable, Equatable {
  /// Why something is left out.
  package enum Reason: Int, CaseIterable, Sendable {
    /// It matches one of the patterns that were given.
    case excluded
    /// A folder whose name begins with a dot, such as `.ipynb_checkpoints`.
    case hiddenFolder
    /// A folder that a file system or a storage server makes for itself, such as `lost+found`.
    case systemFolder
    /// A file whose name begins with `._`, in which macOS keeps what other file systems have no place for.
    case resourceFile
    /// A picture in a shard that is stored as a link to another file.
    case linkInShard
    /// A picture in a shard that is compressed by itself.
    case compressedInShard
  }

  /// How many of each reason.
  private var counts: [Reason: Int] = [:]
  /// The first of each reason; there may be millions.
  private var examples: [Reason: [BytePath]] = [:]

  private static let maximumExamples = 3

  /// How many there are in all.
  package var count: Int { counts.values.reduce(0, +) }

  /// Adds what was left out elsewhere.
  mutating func add(_ other: LeftOut) {
    counts.merge(other.counts, uniquingKeysWith: +)
    examples.merge(other.examples) { Array(($0 + $1).prefix(Self.maximumExamples)) }
  }

  mutating func add(_ reason: Reason, _ path: BytePath) {
    counts[reason, default: 0] += 1
    if examples[reason, default: []].count < Self.maximumExamples { examples[reason, default: []].append(path) }
  }
}

extension LeftOut: CustomStringConvertible {
  /// How many of which kind, and what the first are called: the end of a sentence about what is left out.
  package var description: String {
    Reason.allCases.compactMap { reason -> String? in
      guard let count = counts[reason] else { return nil }
      let noun =
        switch reason {
        case .excluded: count == 1 ? "excluded entry" : "excluded entries"
        case .hiddenFolder: count == 1 ? "hidden folder" : "hidden folders"
        case .systemFolder: count == 1 ? "folder of the system" : "folders of the system"
        case .resourceFile: count == 1 ? "macOS resource file" : "macOS resource files"
        case .linkInShard: count == 1 ? "link in a shard" : "links in shards"
        case .compressedInShard: count == 1 ? "compressed picture in a shard" : "compressed pictures in shards"
        }
      // Directories come in no order.
      let names = examples[reason]!.map(\.description).sorted().joined(separator: ", ")
      return "\(count) \(noun) (\(names)\(count > Self.maximumExamples ? ", ..." : ""))"
    }.joined(separator: ", ")
  }
}
