import Basics
import Configuration
import Dataset
import Dispatch
import FoundationEssentials
import Glibc
import Imaging
import LongWork
import Memory
import Pipeline
import Streams

/// Every picture of a data set, read and decoded once: which cannot be used, and which are there more than once.
package struct DatasetSurvey: Sendable {
  /// A picture that cannot be used.
  package struct BadPicture: Sendable {
    /// Its number.
    package let sample: Int
    /// The end of a sentence that begins with its path.
    package let reason: String
  }

  /// How long reading took, in seconds.
  package let seconds: Double
  /// What was read, in bytes.
  package let bytes: Int
  /// The pictures that cannot be used, by number.
  package let bad: [BadPicture]
  /// Samples whose files are the same, byte for byte: each group by number, and the groups by their first.
  package let copies: [[Int]]

  /// How many samples are handed out at once: few enough that all threads end together.
  private static let portion = 16

  /// Reads all samples of `catalog`, in the order in which they lie on the disk.
  ///
  /// - Parameters:
  ///   - limits: what one file may cost.
  ///   - workers: how many threads read and decode.
  ///   - progress: told now and then how many are done.
  /// - Throws: `StreamFailure` where the machine is at fault and not a file, or has no thread left.
  package init(
    of catalog: SampleCatalog, limits: DecodeLimits, workers: Int,
    progress: @escaping @Sendable (WorkProgress) -> Void
  ) throws(StreamFailure) {
    let began = clockNanoseconds()
    let work = Work(order: catalog.storageOrder)
    let ended = DispatchGroup()
    let total = catalog.count
    @Sendable func tell(_ done: Int) {
      progress(WorkProgress("reading pictures", WorkProgress.Count(done, of: total, "pictures")))
    }
    tell(0)
    for worker in 0..<workers {
      ended.enter()
      let hasThread = NamedThread.start("survey \(worker)") {
        defer { ended.leave() }
        Self.read(catalog, limits: limits, work: work, progress: tell)
      }
      guard hasThread else {
        ended.leave()
        work.fail(.noThread(workers: workers))
        break
      }
    }
    ended.wait()
    let found = work.found
    if let failure = found.failure { throw failure }
    bytes = found.bytes
    bad = found.bad.sorted { $0.sample < $1.sample }
    var copies: [[Int]] = []
    let alike = found.samples.values.filter { $0.count > 1 }
    for (done, samples) in alike.enumerated() {
      progress(WorkProgress("comparing copies", WorkProgress.Count(done, of: alike.count, "groups")))
      copies += Self.equal(samples.sorted(), in: catalog, limits: limits)
    }
    self.copies = copies.sorted { $0[0] < $1[0] }
    seconds = Double(clockNanoseconds() - began) / 1e9
  }

  /// What one thread does.
  private static func read(
    _ catalog: SampleCatalog, limits: DecodeLimits, work: Work, progress: (Int) -> Void
  ) {
    var memory = GrowingMemory<UInt8>()
    let decoder = ImageDecoder()
    let picture = RGBImage(width: 1, height: 1)
    while let portion = work.next(Self.portion) {
      var found = Found()
      for sample in portion {
        do {
          let file = try catalog.read(sample, limit: limits.maximumBytes, into: &memory)
          found.bytes += file.count
          found.samples[Fingerprint { $0.append(bytes: file) }.rawValue, default: []].append(sample)
          try decoder.decode(file, limits: limits, into: picture)
        } catch {
          if let shortage = Shortage(error, path: catalog.path(of: sample)) {
            return work.fail(.machineAtFault(shortage, seconds: 0))
          }
          found.bad.append(BadPicture(sample: sample, reason: SampleLoader.reason(for: error)))
        }
      }
      progress(work.add(found, count: portion.count))
    }
  }

  /// Those of samples with one hash whose bytes are the same.
  private static func equal(_ samples: [Int], in catalog: SampleCatalog, limits: DecodeLimits)
    -> [[Int]]
  {
    var groups: [(bytes: [UInt8], samples: [Int])] = []
    for sample in samples {
      guard let bytes = try? catalog.bytes(of: sample, limit: limits.maximumBytes) else { continue }
      if let index = groups.firstIndex(where: { $0.bytes == bytes }) {
        groups[index].samples.append(sample)
      } else {
        groups.append((bytes, [sample]))
      }
    }
    return groups.map(\.samples).filter { $0.count > 1 }
  }

  /// What was found so far.
  private struct Found: Sendable {
    var bytes = 0
    var bad: [BadPicture] = []
    /// By the hash of their bytes.
    var samples: [UInt64: [Int]] = [:]
    var failure: StreamFailure?
  }

  /// What is left to do, and what was found, for all threads.
  private final class Work: Sendable {
    private let order: [Int]
    private let state = Mutex(State())

    private struct State {
      var next = 0
      var done = 0
      var found = Found()
    }

    init(order: [Int]) { self.order = order }

    var found: Found { state.withLock { $0.found } }

    /// The next samples to read; nil when there are none, or when it has failed.
    func next(_ count: Int) -> ArraySlice<Int>? {
      state.withLock { state in
        guard state.next < order.count, state.found.failure == nil else { return nil }
        let portion = order[state.next..<min(state.next + count, order.count)]
        state.next = portion.endIndex
        return portion
      }
    }

    /// Adds what one thread found in `count` samples; returns how many are done.
    func add(_ found: Found, count: Int) -> Int {
      state.withLock { state in
        state.found.bytes += found.bytes
        state.found.bad += found.bad
        state.found.samples.merge(found.samples, uniquingKeysWith: +)
        state.done += count
        return state.done
      }
    }

    func fail(_ error: StreamFailure) {
      state.withLock { $0.found.failure = $0.found.failure ?? error }
    }
  }
}
