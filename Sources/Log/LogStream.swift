import Basics
import Glibc

/// A descriptor that lines are written to by a thread of its own, so that whoever has something to say never waits for it: the
/// disk behind it may be full, the terminal gone, the pipe full and read by nobody.
///
/// What cannot be written is left out and counted, and the count is told with the next line that can be written. Writes
/// block in that one thread; making the descriptor non-blocking instead would do the same to every process that shares it.
package final class LogStream: Sendable {
  /// Standard error of this process.
  package static let standardError = LogStream(descriptor: STDERR_FILENO)

  /// At most this many bytes wait to be written.
  private static let capacity = 1 << 18

  private let descriptor: Int32
  /// Everything below is guarded by this condition's lock.
  private let condition = Condition()
  private nonisolated(unsafe) var waiting: [[UInt8]] = []
  private nonisolated(unsafe) var waitingBytes = 0
  private nonisolated(unsafe) var isWriting = false
  private nonisolated(unsafe) var leftOut = 0
  private nonisolated(unsafe) var hasThread = false

  /// A stream on `descriptor`, which stays the caller's.
  package init(descriptor: Int32) { self.descriptor = descriptor }

  /// Has `text` written as soon as that is possible; returns at once.
  package func write(_ text: String) {
    let bytes = [UInt8](text.utf8)
    condition.withLock {
      guard waitingBytes + bytes.count <= Self.capacity, startThread() else {
        leftOut += 1
        return
      }
      waiting.append(bytes)
      waitingBytes += bytes.count
      condition.broadcast()
    }
  }

  /// Waits until everything is written or left out, but no longer than `seconds`.
  package func flush(seconds: Double) {
    let began = Moment()
    condition.withLock {
      while isWriting || !waiting.isEmpty {
        guard condition.wait(seconds: max(0, seconds - began.secondsSince)) else { return }
      }
    }
  }

  /// The thread is started with the first line, so that a program which says nothing has none. The lock is held.
  private func startThread() -> Bool {
    if hasThread { return true }
    hasThread = NamedThread.start("sassl.log") { self.writeForever() }
    return hasThread
  }

  private func writeForever() {
    // A pipe without a reader is an error for this thread, not the end of the process.
    var signals = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, SIGPIPE)
    pthread_sigmask(SIG_BLOCK, &signals, nil)
    while true {
      let (bytes, missing) = condition.withLock { () -> ([UInt8], Int) in
        while waiting.isEmpty { condition.wait() }
        isWriting = true
        let first = waiting.removeFirst()
        waitingBytes -= first.count
        return (first, leftOut)
      }
      var isWritten = missing == 0
      if missing > 0 {
        isWritten = writeFully([UInt8]("(\(missing) earlier lines of this log could not be written)\n".utf8))
        if isWritten { condition.withLock { leftOut -= missing } }
      }
      isWritten = isWritten && writeFully(bytes)
      condition.withLock {
        if !isWritten { leftOut += 1 }
        isWriting = false
        condition.broadcast()
      }
    }
  }

  /// Writes all of `bytes`; false where the descriptor does not take them.
  private func writeFully(_ bytes: [UInt8]) -> Bool {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count > 0 {
        rest = rest.dropFirst(count)
      } else if count < 0 && errno == EAGAIN {
        // Somebody who shares the descriptor has made it non-blocking; in this thread there is time to wait.
        var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        _ = poll(&entry, 1, -1)
      } else if count >= 0 || errno != EINTR {
        return false
      }
    }
    return true
  }
}
