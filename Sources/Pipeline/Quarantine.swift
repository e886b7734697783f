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
  private let state: Mutex<State>

  private struct State {
    /// How many of the files may be bad.
    var fraction: Double
    /// By sample.
    var reasons: [Int: String] = [:]
    /// The samples in the order in which they were found.
    var order: [Int] = []
  }

  /// Allows at most `fraction` of `total` files to be bad.
  package init(fraction: Double, total: Int) {
    state = Mutex(State(fraction: fraction))
    self.total = total
  }

  /// Changes the limit; what is bad already counts against it from the next bad file on.
  package func setMaximumFraction(_ fraction: Double) { state.withLock { $0.fraction = fraction } }

  /// Notes that a sample is bad; true when it was not known yet.
  package func note(sample: Int, reason: String) -> Bool {
    state.withLock {
      let isNew = $0.reasons.updateValue(reason, forKey: sample) == nil
      if isNew { $0.order.append(sample) }
      return isNew
    }
  }

  /// Ends the stream where there are too many bad files. To be asked when one more has been noted.
  ///
  /// - Throws: `StreamFailure.tooManyBadFiles`.
  package func checkLimit(lastReason: String) throws(StreamFailure) {
    let (count, fraction) = state.withLock { ($0.order.count, $0.fraction) }
    if Double(count) > fraction * Double(total) {
      throw .tooManyBadFiles(bad: count, total: total, maximumFraction: fraction, lastReason: lastReason)
    }
  }

  /// How many files may be bad before the stream ends.
  package var allowedCount: Int { Int(state.withLock { $0.fraction } * Double(total)) }

  /// Whether a sample is known to be bad.
  package func holds(_ sample: Int) -> Bool { state.withLock { $0.reasons[sample] != nil } }

  /// How many files are bad.
  package var count: Int { state.withLock { $0.order.count } }

  /// The bad files found first, at most `limit` of them.
  package func entries(limit: Int) -> [Entry] {
    state.withLock { state in state.order.prefix(limit).map { Entry(sample: $0, reason: state.reasons[$0]!) } }
  }
}
