import Basics
import FoundationEssentials
import Glibc
import Log
import Streams

/// How far a long job is: a bar on a terminal, a line every tenth elsewhere.
package final class ProgressLine: Sendable {
  private let title: String
  private let isTerminal: Bool
  /// The last step that was shown.
  private let shown = Mutex(-1)

  /// A job shown on standard error under `title`.
  package init(_ title: String) {
    self.title = title
    isTerminal = isatty(STDERR_FILENO) == 1
  }

  /// Shows that `done` of `total` steps are behind us.
  package func update(_ done: Int, of total: Int) {
    let steps = isTerminal ? 40 : 10
    let step = done * steps / total
    shown.withLock { shown in
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

/// Shows on standard error how far a stream's opening is, as far as it takes long enough for a bar: embedding its styles.
package func showOpening() -> @Sendable (OpenedStream.Progress) -> Void {
  let bar = ProgressLine("embedding styles")
  return { progress in
    if case .embeddingStyles(let done, let total) = progress { bar.update(done, of: total) }
  }
}
