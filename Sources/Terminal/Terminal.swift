import FoundationEssentials
import Glibc

/// What may be shown on a descriptor: whether a person looks at it, how wide it is, and whether in colour.
package struct Terminal: Sendable {
  /// Standard output of this process.
  package static let standardOutput = Terminal(
    descriptor: STDOUT_FILENO, environment: ProcessInfo.processInfo.environment)
  /// Standard error of this process.
  package static let standardError = Terminal(
    descriptor: STDERR_FILENO, environment: ProcessInfo.processInfo.environment)
  /// None: nobody looks, and nothing is coloured.
  package static let absent = Terminal(descriptor: -1, environment: [:])

  /// Columns where the terminal does not say.
  private static let usualWidth = 80

  private let descriptor: Int32
  /// Whether a line that stands there can be written over: it is a terminal, and not one without control sequences (`TERM=dumb`).
  package let canRedraw: Bool
  /// Whether text may be coloured. In this order: not where `NO_COLOR` is set, yes where `FORCE_COLOR` or `CLICOLOR_FORCE` is set and not
  /// 0, not where `CLICOLOR` is 0, and else where lines can be written over.
  package let hasColour: Bool

  /// What can be shown on `descriptor`, in a process with this environment.
  package init(descriptor: Int32, environment: [String: String]) {
    self.descriptor = descriptor
    canRedraw = isatty(descriptor) == 1 && environment["TERM"] != "dumb"
    func isForced(_ value: String?) -> Bool { value.map { !$0.isEmpty && $0 != "0" } ?? false }
    if !(environment["NO_COLOR"] ?? "").isEmpty {
      hasColour = false
    } else if isForced(environment["FORCE_COLOR"]) || isForced(environment["CLICOLOR_FORCE"]) {
      hasColour = true
    } else {
      hasColour = canRedraw && environment["CLICOLOR"] != "0"
    }
  }

  /// How many columns it has now.
  package var width: Int {
    var size = winsize()
    return ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : Self.usualWidth
  }

  /// `text` in a colour where there are colours, and else as it is.
  package func coloured(_ text: String, _ colour: Colour) -> String {
    hasColour ? "\u{1B}[\(colour.rawValue)m\(text)\u{1B}[0m" : text
  }

  /// A colour by its meaning, as the number of its control sequence (ECMA-48, select graphic rendition).
  package enum Colour: Int, Sendable {
    /// Red: something is wrong.
    case problem = 31
    /// Green: all is well.
    case good = 32
    /// Yellow: to be looked at, or not there yet.
    case caution = 33
  }
}
