import FoundationEssentials
import Glibc

/// The writing end of the inbox's pipe; set once, before the first handler is installed. In no `Mutex`, because a signal handler may
/// take no lock.
private nonisolated(unsafe) var signalPipe: Int32 = -1

/// Receives signals one by one: a handler puts each into a pipe, and `wait` takes it out.
///
/// Blocking signals and waiting for them with `sigtimedwait(2)` would not do: libraries start threads before `main` (OpenBLAS
/// does), those never learn of the mask, and a signal that the kernel gives to one of them would end the process.
package final class SignalInbox: Sendable {
  private let readingEnd: Int32

  /// Takes over the handling of `signals`; there is one inbox in a process, and it stays.
  package init(_ signals: [Int32]) {
    var ends: [Int32] = [-1, -1]
    precondition(pipe(&ends) == 0, "no descriptors are left for a pipe")
    for end in ends {
      _ = fcntl(end, F_SETFD, FD_CLOEXEC)
      _ = fcntl(end, F_SETFL, O_NONBLOCK)
    }
    readingEnd = ends[0]
    signalPipe = ends[1]
    for signal in signals {
      var action = sigaction()
      action.__sigaction_handler.sa_handler = { signal in
        let interrupted = errno
        var byte = UInt8(truncatingIfNeeded: signal)
        // A full pipe already holds more signals than anybody could want.
        _ = write(signalPipe, &byte, 1)
        errno = interrupted
      }
      action.sa_flags = SA_RESTART
      sigaction(signal, &action, nil)
    }
  }

  /// Waits for the next signal; `nil` when none came in time.
  package func wait(seconds: Int, nanoseconds: Int) -> Int32? {
    var descriptor = pollfd(fd: readingEnd, events: Int16(POLLIN), revents: 0)
    // Interrupted by the very signal, `poll` returns early, and the byte is there.
    _ = poll(&descriptor, 1, Int32(seconds * 1000 + nanoseconds / 1_000_000))
    var byte: UInt8 = 0
    return read(readingEnd, &byte, 1) == 1 ? Int32(byte) : nil
  }

  /// Sends this process a signal that `wait` will return.
  package func post(_ signal: Int32) { kill(getpid(), signal) }
}
