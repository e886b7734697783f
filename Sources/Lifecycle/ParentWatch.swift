import Dispatch
import Glibc
import Log

/// Notices when the process that started this one has ended.
enum ParentWatch {
  /// Microseconds between looks.
  private static let interval: UInt32 = 200_000

  /// Calls `onEnd` once, on a thread of its own, when `parent` is no longer the parent of this process.
  ///
  /// The kernel gives the child of a process that has ended another parent, so a number that is used again misleads nobody. Its signal
  /// for the same purpose (`PR_SET_PDEATHSIG`) comes when the *thread* that started the child ends.
  static func start(of parent: pid_t, journal: Journal, onEnd: @escaping @Sendable () -> Void) {
    DispatchQueue(label: "sassl.parent").async {
      while getppid() == parent { usleep(interval) }
      journal.write(.notice, "process \(parent), which started this one, has ended")
      onEnd()
    }
  }
}
