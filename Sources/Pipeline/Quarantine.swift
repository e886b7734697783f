import Basics
import Dataset
import FoundationEssentials
import Glibc

/// The files that could not be used, each with its reason, and the limit on how many there may be.
package final class Quarantine: Sendable {
  /// One bad file.
  package struct Entry: Sendable {
    package let sample: Int
    package let reason: String
  }

  private let total: Int
  private let lock = Lock()
  /// Guarded by `lock`.
  private nonisolated(unsafe) var fraction: Double
  /// Guarded by `lock`: by sample, and in the order in which they were found.
  private nonisolated(unsafe) var reasons: [Int: String] = [:]
  private nonisolated(unsafe) var order: [Int] = []

  /// Allows at most `fraction` of `total` files to be bad.
  package init(fraction: Double, total: Int) {
    self.fraction = fraction
    self.total = total
  }

  /// Changes the limit; what is bad already counts against it from the next bad file on.
  package func setMaximumFraction(_ fraction: Double) { lock.withLock { self.fraction = fraction } }

  /// Notes that a sample is bad; true when it was not known yet.
  package func note(sample: Int, reason: String) -> Bool {
    lock.withLock {
      let isNew = reasons.updateValue(reason, forKey: sample) == nil
      if isNew { order.append(sample) }
      return isNew
    }
  }

  /// Ends the stream where there are too many bad files. To be asked when one more has been noted.
  ///
  /// - Throws: `StreamFailure.tooManyBadFiles`.
  package func checkLimit(lastReason: String) throws(StreamFailure) {
    let (count, fraction) = lock.withLock { (order.count, self.fraction) }
    if Double(count) > fraction * Double(total) {
      throw .tooManyBadFiles(bad: count, total: total, maximumFraction: fraction, lastReason: lastReason)
    }
  }

  /// Whether a sample is known to be bad.
  package func holds(_ sample: Int) -> Bool { lock.withLock { reasons[sample] != nil } }

  /// How many files are bad.
  package var count: Int { lock.withLock { order.count } }

  /// The bad files found first, at most `limit` of them.
  package func entries(limit: Int) -> [Entry] {
    lock.withLock { order.prefix(limit).map { Entry(sample: $0, reason: reasons[$0]!) } }
  }
}
