import BatchRing
import Diagnostics

/// Why a daemon does not begin, where the machine is too small for its configuration.
package enum StartError: Error, Sendable, CustomStringConvertible {
  /// A limit would end the process without a word later.
  case limit(Finding)
  /// There is no room for the rings; dead daemons may have left some that take it.
  case noRoom(RingError, left: [LeftRing])

  package var description: String {
    switch self {
    case .limit(let finding): return finding.found + (finding.remedy.map { ": \($0)" } ?? "")
    case .noRoom(let error, let left):
      let keys = "\(error); the keys are ring.slots, batch.size and views.side"
      if left.isEmpty { return keys }
      return "\(keys); dead daemons have left \(left.map(\.sentence).joined(separator: ", ")), "
        + "which 'sasslctl doctor --remove-dead-rings' removes"
    }
  }
}
