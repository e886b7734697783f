import Basics
import BatchIndex
import BatchRing
import Configuration
import Control
import Dispatch
import FoundationEssentials

/// Everything that is known of one stream at one moment: what its daemon says, what stands in its rings, and what its index has. The
/// rings and the index are looked at whether or not a daemon runs.
package struct StreamMeasurement: Sendable {
  /// One rank's ring.
  struct Ring: Sendable {
    var rank: Int
    var geometry: RingGeometry
    var counters: RingCounters
  }

  /// The batch of a rank that was made last.
  struct LatestBatch: Sendable {
    var rank: Int
    var number: UInt64
    /// Since 1970.
    var madeAtSeconds: Double
  }

  /// What the index has.
  struct Index: Sendable {
    var quarantinedFiles: Int
    var latestBatches: [LatestBatch]
  }

  /// The stream's name.
  package let name: String
  /// Its state, and where a daemon runs, the rest of what it says.
  let status: StatusReport
  /// What the daemon has counted; `nil` where none runs, or its stream is not open yet.
  let counts: DaemonCounts?
  /// The rings that are there and may be looked at.
  let rings: [Ring]
  /// `nil` where there is none that may be read.
  let index: Index?

  /// What a daemon says that answers.
  var answering: StatusReport? { [.stopped, .unknown].contains(status.state) ? nil : status }
  /// What a daemon says whose stream is open.
  var serving: StatusReport? { counts == nil ? nil : status }

  /// Looks at the streams of some configurations, at several at once: a daemon that hangs holds up its own for seconds.
  package static func all(of configurations: [ServiceConfiguration]) -> [StreamMeasurement] {
    let measured = Mutex([StreamMeasurement?](repeating: nil, count: configurations.count))
    DispatchQueue.concurrentPerform(iterations: configurations.count) { position in
      let stream = StreamMeasurement(of: configurations[position])
      measured.withLock { $0[position] = stream }
    }
    return measured.withLock { $0.compactMap(\.self) }
  }

  /// Looks at the stream of a configuration.
  package init(of configuration: ServiceConfiguration) {
    let report = StatusQuery(configuration).measure()
    name = configuration.stream.name
    status = report.status
    counts = report.counts
    rings = configuration.batch.ranks.compactMap { rank in
      let location = RingLocation(
        directory: configuration.ring.directory, name: configuration.stream.name, rank: rank)
      return (try? RingObserver(at: location)).map { Ring(rank: rank, geometry: $0.geometry, counters: $0.counters) }
    }
    index = try? Index(at: ServicePlaces(of: configuration).indexPath, ranks: configuration.batch.ranks)
  }
}

extension StreamMeasurement.Index {
  /// Reads the index at `path`.
  ///
  /// - Throws: `DatabaseError` where there is none, or it cannot be read.
  fileprivate init(at path: String, ranks: [Int]) throws(DatabaseError) {
    let reader = try BatchIndexReader(path: path)
    quarantinedFiles = try reader.quarantinedFileCount()
    latestBatches = []
    for rank in ranks {
      guard let batch = try reader.latestBatch(ofRank: rank) else { continue }
      latestBatches.append(
        StreamMeasurement.LatestBatch(
          rank: rank, number: batch.number, madeAtSeconds: batch.madeAt.timeIntervalSince1970))
    }
  }
}
