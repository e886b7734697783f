import Basics
import Log
import LongWork
import Terminal

/// Shows on standard error how far long work is: on a terminal a bar, which is erased at the end, and elsewhere a line now and then.
package final class ProgressDisplay: Sendable {
  /// When something is shown first, and how often again, in seconds. What ends before that is not worth a word.
  private let first: Double
  private let interval: Double

  private let terminal: Terminal
  private let stream: LogStream
  private let state = Monitor(State())

  private struct State {
    var estimate: ProgressEstimate?
    var hasThread = false
    var isEnded = false
  }

  /// A display on `terminal`, which `stream` writes to.
  package init(on terminal: Terminal = .standardError, by stream: LogStream = .standardError) {
    self.terminal = terminal
    self.stream = stream
    (first, interval) = terminal.canRedraw ? (0.3, 0.1) : (5, 10)
  }

  /// Takes over how far the work is; what is shown follows by itself, so this may be called as often as one likes.
  package func update(_ progress: WorkProgress) {
    let now = clockNanoseconds()
    state.withLock {
      if $0.estimate?.note(progress, at: now) == nil { $0.estimate = ProgressEstimate(progress, at: now) }
      // A thread of its own, so that time passes in it too while the work is at something that takes long.
      if !$0.hasThread && !$0.isEnded { $0.hasThread = NamedThread.start("sassl.progress") { self.showUntilEnd() } }
    }
  }

  /// The work is done, or has failed: the bar is gone when this returns.
  package func end() {
    state.update { $0.isEnded = true }
    _ = state.wait(seconds: 1) { $0.hasThread ? nil : true }
  }

  private func showUntilEnd() {
    var patience = first
    var told = ""
    while state.wait(seconds: patience, until: { $0.isEnded ? true : nil }) == nil {
      patience = interval
      guard let report = state.withLock({ $0.estimate?.report(at: clockNanoseconds()) }) else { continue }
      if terminal.canRedraw {
        stream.show(passing: report.bar(width: terminal.width))
      } else if report.sentence != told {
        told = report.sentence
        stream.write(told + "\n")
      }
    }
    if terminal.canRedraw {
      stream.show(passing: "")
      stream.flush(seconds: 0.5)
    }
    state.update { $0.hasThread = false }
  }
}

/// Does work and shows how far it is, as it tells.
package func showingProgress<Result>(
  _ work: (@escaping @Sendable (WorkProgress) -> Void) throws -> Result
) rethrows -> Result {
  let display = ProgressDisplay()
  defer { display.end() }
  return try work { display.update($0) }
}
