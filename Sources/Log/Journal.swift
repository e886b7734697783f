import Basics
import FoundationEssentials
import Glibc

/// Where the daemon says what happens: one line per event on standard error.
///
/// Under systemd each line carries its priority (`sd-daemon(3)`) and the journal adds the time; elsewhere the line
/// begins with the time. Whoever writes never waits, whatever becomes of the line. Events that may come in floods are rate-limited by kind, and what was held back is counted.
package final class Journal: Sendable {
  /// How much an event matters; the numbers are those of `syslog(3)`.
  package enum Priority: Int, Sendable {
    case error = 3
    case warning = 4
    case notice = 5
    case information = 6
  }

  /// How many lines of one kind may come within one period.
  private static let burst = 5
  /// The period in seconds.
  private static let period = 30.0

  private struct Kind {
    var periodStart: TimeInterval
    var priority: Priority
    var written: Int
    var heldBack: Int
  }

  private let stream: LogStream
  private let isUnderSystemd: Bool
  /// Seconds on a clock that nobody sets.
  private let uptime: @Sendable () -> TimeInterval
  private let lock = Lock()
  /// Guarded by `lock`.
  private nonisolated(unsafe) var kinds: [String: Kind] = [:]

  /// A journal on standard error.
  package convenience init() { self.init(on: .standardError, uptime: { ProcessInfo.processInfo.systemUptime }) }

  /// A journal on `stream` whose periods are measured by `uptime`.
  package init(on stream: LogStream, uptime: @escaping @Sendable () -> TimeInterval) {
    self.stream = stream
    self.uptime = uptime
    isUnderSystemd = ProcessInfo.processInfo.environment["JOURNAL_STREAM"] != nil
  }

  /// Writes one line; with a `kind`, at most five of that kind in thirty seconds.
  package func write(_ priority: Priority, kind: String? = nil, _ text: String) {
    lock.withLock {
      guard let kind else { return emit(priority, text) }
      let now = uptime()
      endPeriods { now - $0 >= Self.period }
      var state = kinds[kind] ?? Kind(periodStart: now, priority: priority, written: 0, heldBack: 0)
      if state.written < Self.burst {
        state.written += 1
        emit(priority, text)
      } else {
        state.heldBack += 1
      }
      kinds[kind] = state
    }
  }

  /// Tells how many lines were held back in periods that are over; to be called now and then.
  package func tellHeldBack() {
    lock.withLock { endPeriods { uptime() - $0 >= Self.period } }
  }

  /// Tells how many lines were held back so far, whether or not their period is over: nothing more is to come.
  package func finish() {
    lock.withLock { endPeriods { _ in true } }
  }

  /// Ends the periods whose start `isOver` accepts. The lock is held.
  private func endPeriods(where isOver: (TimeInterval) -> Bool) {
    for (kind, state) in kinds.sorted(by: { $0.key < $1.key }) where isOver(state.periodStart) {
      if state.heldBack > 0 { emit(state.priority, "\(state.heldBack) more lines like these about: \(kind)") }
      kinds[kind] = nil
    }
  }

  private func emit(_ priority: Priority, _ text: String) {
    // A line break inside a path must not look like a second event.
    let line = text.unicodeScalars.map { $0 == "\n" ? "\\n" : String($0) }.joined()
    let prefix = isUnderSystemd ? "<\(priority.rawValue)>" : Date.now.formatted(.iso8601) + " "
    stream.write(prefix + line + "\n")
  }
}
