import Basics
import Glibc

/// The work of an end, which must not keep the process: a worker may be in a file that its server does not deliver, the index on a disk
/// that does not write.
enum Ending: Equatable {
  /// All is done.
  case complete
  /// It was not done in time, and goes on.
  case late
  /// A further signal asked for the end at once.
  case urged(Int32)

  /// Runs `work` on a thread of its own and waits for it, for `seconds` at most or until a further signal.
  ///
  /// - Parameter isNews: asked whether a signal that came is a further one.
  static func of(
    _ work: @escaping @Sendable () -> Void, within seconds: Double, signals: SignalInbox,
    isNews: () -> Bool
  ) -> Ending {
    let done = Outcome<Bool>()
    let began = Moment()
    // Where no thread is to be had, nothing is left but to do it here.
    let isStarted = NamedThread.start("sassl.ending") {
      work()
      done.set(true)
    }
    guard isStarted else {
      work()
      return .complete
    }
    while done.value == nil {
      if let signal = signals.wait(seconds: 0, nanoseconds: 10_000_000), signal != SIGHUP, isNews() {
        return .urged(signal)
      }
      if began.secondsSince >= seconds { return .late }
    }
    return .complete
  }
}
