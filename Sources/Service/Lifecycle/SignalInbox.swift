import Foundation

/// Receives signals one by one instead of by interruption: they are blocked in every thread, and fetched with `sigtimedwait(2)`.
final class SignalInbox: Sendable {
  private let set: sigset_t

  /// Blocks `signals` in this thread and in all threads that it will start.
  init(_ signals: [Int32]) {
    var set = sigset_t()
    sigemptyset(&set)
    for signal in signals { sigaddset(&set, signal) }
    pthread_sigmask(SIG_BLOCK, &set, nil)
    self.set = set
  }

  /// Waits for the next signal; `nil` when none came in time.
  func wait(seconds: Int, nanoseconds: Int) -> Int32? {
    var set = set
    var limit = timespec(tv_sec: seconds, tv_nsec: nanoseconds)
    let signal = sigtimedwait(&set, nil, &limit)
    return signal > 0 ? signal : nil
  }

  /// Sends this process a signal that `wait` will return.
  func post(_ signal: Int32) { kill(getpid(), signal) }
}
