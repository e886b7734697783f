import Basics
import FoundationEssentials
import Glibc

/// How far a long job is: a bar on a terminal, a line every tenth elsewhere.
package final class ProgressLine: Sendable {
  private let title: String
  private let isTerminal: Bool
  private let lock = Lock()
  /// Guarded by `lock`: the last step that was shown.
  private nonisolated(unsafe) var shown = -1

  /// A job shown on standard error under `title`.
  package init(_ title: String) {
    self.title = title
    isTerminal = isatty(STDERR_FILENO) == 1
  }

  /// Shows that `done` of `total` steps are behind us.
  package func update(_ done: Int, of total: Int) {
    let steps = isTerminal ? 40 : 10
    let step = done * steps / total
    lock.withLock {
      guard step > shown else { return }
      shown = step
      if isTerminal {
        let bar = String(repeating: "#", count: step) + String(repeating: "-", count: steps - step)
        let end = done >= total ? "\n" : ""
        LogStream.standardError.write("\r\(title) [\(bar)] \(done)/\(total)\(end)")
      } else {
        LogStream.standardError.write("\(title): \(done)/\(total)\n")
      }
    }
  }
}
