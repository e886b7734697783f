import BatchRing
import FoundationEssentials
import Glibc
import Synchronization

/// A crash that is rehearsed: the process kills itself at a named step, as `kill -9` would, for whoever wants to see that
/// nothing gets lost by it.
///
/// The environment variable `SASSLD_DIE_AT` asks for it: `STEP` or `STEP:N` for the N-th time that the step is taken.
package final class RehearsedDeath: Sendable {
  /// Steps at which death could do most harm, in the order of a batch's life.
  package enum Step: String, CaseIterable, Sendable {
    /// The ring's memory is reserved, its file has no name.
    case segmentReserved
    /// The ring's header is complete, its file has no name.
    case segmentWritten
    /// The new file has a temporary name, that of the predecessor is still in place.
    case segmentNamed
    /// The new file has its name.
    case segmentVisible
    /// A slot was chosen for a batch.
    case slotChosen
    /// The picture in the middle of a batch is finished in its slot, others are not.
    case picturesHalfWritten
    /// The pictures are complete, what the slot says of them is half written.
    case halfWritten
    /// The slot is complete, but not published.
    case written
    /// The batch is published, its reader not woken.
    case published
    /// A transaction of the index is half written.
    case indexHalfWritten
    /// A seek was read, but not acknowledged.
    case seekNoted
    /// A seek was acknowledged.
    case seekAcknowledged
    /// The ring is closed, its file is still there.
    case closed

    /// What a step of the ring's protocol is called here, where it is the producer's.
    fileprivate init?(_ ringStep: RingStep) {
      switch ringStep {
      case .segmentReserved: self = .segmentReserved
      case .segmentWritten: self = .segmentWritten
      case .segmentNamed: self = .segmentNamed
      case .segmentVisible: self = .segmentVisible
      case .slotChosen: self = .slotChosen
      case .halfWritten: self = .halfWritten
      case .written: self = .written
      case .published: self = .published
      case .seekNoted: self = .seekNoted
      case .seekAcknowledged: self = .seekAcknowledged
      case .closed: self = .closed
      case .attached, .leased, .releaseNoted, .released, .seekTargeted, .seekRequested: return nil
      }
    }
  }

  /// The variable that asks for a rehearsal.
  package static let variable = "SASSLD_DIE_AT"

  private let step: Step
  private let arrivalsLeft: Atomic<Int>

  /// The rehearsal that the environment asks for; `nil` where it asks for none.
  ///
  /// - Throws: `UnknownStep`.
  package init?(environment: [String: String]) throws(UnknownStep) {
    guard let request = environment[Self.variable] else { return nil }
    let parts = request.split(separator: ":", omittingEmptySubsequences: false)
    guard let step = Step(rawValue: String(parts[0])), parts.count <= 2,
      let arrival = parts.count == 1 ? 1 : Int(parts[1]), arrival >= 1
    else {
      throw .init(request: request)
    }
    self.step = step
    arrivalsLeft = Atomic(arrival)
  }

  /// Says that a step has been reached. Does not return where it is the one to die at.
  package func reached(_ step: Step) {
    guard step == self.step, arrivalsLeft.subtract(1, ordering: .relaxed).newValue == 0 else { return }
    kill(getpid(), SIGKILL)
  }

  /// What the ring calls at each step of its protocol.
  package var ringHook: RingProducer.Hook {
    { ringStep in
      if let step = Step(ringStep) { self.reached(step) }
      return false
    }
  }

  /// The environment asks for a step that there is not.
  package struct UnknownStep: Error, Sendable, CustomStringConvertible {
    /// What the variable holds.
    package let request: String

    package var description: String {
      "\(variable)=\(request) is not STEP or STEP:N with one of the steps "
        + Step.allCases.map(\.rawValue).joined(separator: ", ")
    }
  }
}
