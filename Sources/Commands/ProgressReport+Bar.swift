import Basics
import LongWork

extension ProgressReport {
  /// Characters of a bar, where there is room for it.
  private static let barLength = 20

  /// The report as one line of a terminal that is `width` columns wide, as in
  /// `reading pictures [####----------------] 20 % 200 of 1000 pictures, 31.5 pictures/s, 26 s left`. What there is no room for is left out.
  package func bar(width: Int) -> String {
    // In the last column, some terminals begin a new line.
    let room = max(1, width - 1)
    var line = activity
    func add(_ text: String, after separator: String) {
      if line.count + separator.count + text.count <= room { line += separator + text }
    }
    if let percent {
      let filled = Int(percent / 100 * Double(Self.barLength))
      let rest = String(repeating: "-", count: Self.barLength - filled)
      add("[\(String(repeating: "#", count: filled))\(rest)]", after: " ")
      add(String(printf: "%.0f %%", percent.rounded(.down)), after: " ")
    }
    if let done, let unit { add(total.map { "\(done) of \($0) \(unit)" } ?? "\(done) \(unit)", after: " ") }
    if let rate { add(rate, after: ", ") }
    if let remainingSeconds {
      add("\(Self.words(seconds: remainingSeconds)) left", after: ", ")
    } else if total == nil {
      add(Self.words(seconds: elapsedSeconds.rounded(.down)), after: ", ")
    }
    return String(line.prefix(room))
  }
}
