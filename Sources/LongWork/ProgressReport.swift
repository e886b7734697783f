import Basics

/// How far a piece of long work is, how fast it goes, and how long it will take: as `sasslctl status --json` has it, and in words.
package struct ProgressReport: Codable, Sendable, Equatable {
  /// What is being done.
  package var activity: String
  /// How many things are done; `nil` where nothing can be counted.
  package var done: Int?
  /// How many there are; `nil` where that is not known beforehand.
  package var total: Int?
  /// What they are called, in the plural.
  package var unit: String?
  /// Part that is done, in percent from 0 to 100.
  package var percent: Double?
  /// How many were done a second lately.
  package var perSecond: Double?
  /// Seconds since this work began.
  package var elapsedSeconds: Double
  /// Seconds that it will take at this rate.
  package var remainingSeconds: Double?
  /// What else is worth a word; `nil` where there is nothing.
  package var note: String?

  /// A report on work of which nothing is known but since when it is done.
  package init(activity: String, elapsedSeconds: Double) {
    self.activity = activity
    self.elapsedSeconds = elapsedSeconds
  }

  /// All of it in one line, as in "reading the dataset: 12 of 147 shards (8 %), 1000 samples so far, about 2 min left".
  package var sentence: String {
    var parts: [String] = []
    if let done, let unit {
      let share = percent.map { String(printf: " (%.0f %%)", $0.rounded(.down)) } ?? ""
      parts.append(total.map { "\(done) of \($0) \(unit)\(share)" } ?? "\(done) \(unit) so far")
    }
    if let note { parts.append(note) }
    if let remainingSeconds { parts.append("about \(Self.words(seconds: remainingSeconds)) left") }
    return parts.isEmpty ? activity : "\(activity): \(parts.joined(separator: ", "))"
  }

  /// A duration as people say it, as in "40 s", "3 min" or "2 h 5 min".
  package static func words(seconds: Double) -> String {
    let whole = Int(min(max(0, seconds), 1e9).rounded(.up))
    if whole < 60 { return "\(whole) s" }
    let minutes = (whole + 30) / 60
    if minutes < 60 { return "\(minutes) min" }
    return minutes % 60 == 0 ? "\(minutes / 60) h" : "\(minutes / 60) h \(minutes % 60) min"
  }

  /// How fast, as in "31.5 shards/s", "12 shards/min" or "4 shards/h"; `nil` where that is not known.
  package var rate: String? {
    guard let perSecond, let unit else { return nil }
    if perSecond >= 100 { return String(printf: "%.0f ", perSecond) + "\(unit)/s" }
    if perSecond >= 1 { return String(printf: "%.1f ", perSecond) + "\(unit)/s" }
    if perSecond * 60 >= 1 { return String(printf: "%.0f ", perSecond * 60) + "\(unit)/min" }
    return String(printf: "%.0f ", perSecond * 3600) + "\(unit)/h"
  }
}
