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
  private let state = Monitor(State())

  /// To the beginning of the line, and what stands in it erased (ECMA-48).
  private static let erasing = "\r\u{1B}[K"

  private struct State {
    var waiting: [[UInt8]] = []
    /// What is to stand below the lines, on a terminal.
    var passing = ""
    /// What stands there.
    var shown = ""
    var waitingBytes = 0
    var isWriting = false
    /// Lines that could not be written, and were not told yet.
    var leftOut = 0
    var hasThread = false

    /// Whether there is something to be written.
    var isBehind: Bool { !waiting.isEmpty || passing != shown }
  }

  /// A stream on `descriptor`, which stays the caller's.
  package init(descriptor: Int32) { self.descriptor = descriptor }

  /// Has `text` written as soon as that is possible; returns at once.
  package func write(_ text: String) {
    let bytes = [UInt8](text.utf8)
    state.update {
      // The thread is started with the first line, so that a program which says nothing has none.
      guard $0.waitingBytes + bytes.count <= Self.capacity, $0.hasThread || startThread() else {
        $0.leftOut += 1
        return
      }
      $0.hasThread = true
      $0.waiting.append(bytes)
      $0.waitingBytes += bytes.count
    }
  }

  /// Has `text`, of one line and no wider than the terminal, stand below all lines until there is another; empty for none. Only for a
  /// terminal on which lines can be written over.
  package func show(passing text: String) {
    state.update {
      guard text != $0.passing, $0.hasThread || startThread() else { return }
      $0.hasThread = true
      $0.passing = text
    }
  }

  /// Waits until everything is written or left out, but no longer than `seconds`.
  package func flush(seconds: Double) {
    _ = state.wait(seconds: seconds) { $0.isWriting || $0.isBehind ? nil : true }
  }

  private func startThread() -> Bool { NamedThread.start("sassl.log") { self.writeForever() } }

  private func writeForever() {
    // A pipe without a reader is an error for this thread, not the end of the process.
    var signals = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, SIGPIPE)
    pthread_sigmask(SIG_BLOCK, &signals, nil)
    while true {
      let (line, frame, missing) = state.wait { state -> ([UInt8]?, (before: String, after: String), Int)? in
        guard state.isBehind else { return nil }
        state.isWriting = true
        // One write for all of it, so that nothing flickers.
        let frame = (before: state.shown.isEmpty ? "" : Self.erasing, after: state.passing)
        state.shown = state.passing
        guard !state.waiting.isEmpty else { return (nil, frame, 0) }
        let first = state.waiting.removeFirst()
        state.waitingBytes -= first.count
        return (first, frame, state.leftOut)
      }
      guard let line else {
        // What passes may be lost.
        _ = writeFully([UInt8]((frame.before + frame.after).utf8))
        state.update { $0.isWriting = false }
        continue
      }
      let bytes = [UInt8](frame.before.utf8) + line + [UInt8](frame.after.utf8)
      var isWritten = missing == 0
      if missing > 0 {
        isWritten = writeFully([UInt8]("(\(missing) earlier lines of this log could not be written)\n".utf8))
        if isWritten { state.withLock { $0.leftOut -= missing } }
      }
      isWritten = isWritten && writeFully(bytes)
      state.update {
        if !isWritten { $0.leftOut += 1 }
        $0.isWriting = false
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
