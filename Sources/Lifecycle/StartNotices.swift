import Log
import LongWork

/// Tells the service manager how far a start is, and the journal where no bar shows it.
struct StartNotices {
  /// How long a start may take from one sign of progress to the next, in seconds: `TimeoutStartSec=` of the unit.
  private static let patience = 900
  /// Nanoseconds between two messages to the service manager.
  private static let messageInterval: UInt64 = 1_000_000_000
  /// When the first line goes to the journal, and how often further ones do, in nanoseconds. A start that takes less is not worth a word.
  private static let firstLine: UInt64 = 5_000_000_000
  private static let lineInterval: UInt64 = 30_000_000_000

  private let notifier: ServiceNotifier
  private let journal: Journal?
  private var nextMessage: UInt64 = 0
  private var nextLine: UInt64
  private var told = ""
  private var position: (activity: String, done: Int?) = ("", nil)

  /// Notices on a start that begins at `now`, in nanoseconds.
  ///
  /// - Parameter journal: `nil` where the start is shown in another way.
  init(notifier: ServiceNotifier, journal: Journal?, at now: UInt64) {
    self.notifier = notifier
    self.journal = journal
    nextLine = now + Self.firstLine
  }

  /// Tells what is new, if it is time to; call it often.
  mutating func tell(_ report: ProgressReport, at now: UInt64) {
    if now >= nextMessage {
      let hasMoved = position != (report.activity, report.done)
      position = (report.activity, report.done)
      if hasMoved || report.sentence != told {
        nextMessage = now + Self.messageInterval
        told = report.sentence
        // Who takes long and gets on is not to be ended for it; who hangs is.
        notifier.starting(status: report.sentence, mayTakeSeconds: hasMoved ? Self.patience : nil)
      }
    }
    if now >= nextLine {
      nextLine = now + Self.lineInterval
      journal?.write(.notice, report.sentence)
    }
  }
}
