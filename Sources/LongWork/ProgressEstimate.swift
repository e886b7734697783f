/// What follows from how far long work was at earlier times: its rate, and how long the rest will take.
///
/// The rate is that of the last half minute: what was fast at first, because it was there already, says nothing of the rest.
package struct ProgressEstimate: Sendable {
  /// Of what the rate is taken, in nanoseconds.
  private static let window: UInt64 = 30_000_000_000
  /// Least time between two of the moments that are kept.
  private static let spacing: UInt64 = 500_000_000
  /// Before this has passed, a rate would be a guess.
  private static let leastTime: UInt64 = 1_000_000_000

  private var progress: WorkProgress
  private var began: UInt64
  /// When how many were done, the oldest first; at least one.
  private var moments: [(nanoseconds: UInt64, done: Int)]

  /// The estimate of work that begins with `progress` at `now`, in nanoseconds of a clock that only goes forward.
  package init(_ progress: WorkProgress, at now: UInt64) {
    self.progress = progress
    began = now
    moments = [(now, progress.count?.done ?? 0)]
  }

  /// Takes over how far the work is at `now`. Where that is another piece of work, or the same from its beginning, its estimate begins.
  package mutating func note(_ news: WorkProgress, at now: UInt64) {
    let done = news.count?.done ?? 0
    guard news.activity == progress.activity, news.count?.unit == progress.count?.unit,
      news.count?.total == progress.count?.total, done > 0 || (progress.count?.done ?? 0) == 0
    else {
      self = ProgressEstimate(news, at: now)
      return
    }
    // Of several threads, one may tell later what another has overtaken.
    guard done >= progress.count?.done ?? 0 else { return }
    progress = news
    guard now >= moments[moments.count - 1].nanoseconds + Self.spacing else { return }
    moments.append((now, done))
    while moments.count > 2 && moments[1].nanoseconds + Self.window <= now { moments.removeFirst() }
  }

  /// What is known at `now`.
  package func report(at now: UInt64) -> ProgressReport {
    var report = ProgressReport(activity: progress.activity, elapsedSeconds: Self.seconds(from: began, to: now))
    if !progress.note.isEmpty { report.note = progress.note }
    guard let count = progress.count else { return report }
    report.done = count.done
    report.total = count.total
    report.unit = count.unit
    report.percent = count.total.map { $0 > 0 ? min(100, 100 * Double(count.done) / Double($0)) : 100 }
    let first = moments[0]
    if count.done > first.done, now >= first.nanoseconds + Self.leastTime {
      let perSecond = Double(count.done - first.done) / Self.seconds(from: first.nanoseconds, to: now)
      report.perSecond = perSecond
      report.remainingSeconds = count.total.map { Double(max(0, $0 - count.done)) / perSecond }
    }
    return report
  }

  private static func seconds(from first: UInt64, to last: UInt64) -> Double {
    last > first ? Double(last - first) / 1e9 : 0
  }
}
