import Glibc
import Terminal
import Testing

@Suite("What a terminal shows")
struct TerminalTests {
  /// Both ends of a terminal that is there for the test alone.
  private static func terminal() -> (outer: Int32, inner: Int32) {
    var outer: Int32 = -1
    var inner: Int32 = -1
    let outcome = openpty(&outer, &inner, nil, nil, nil)
    #expect(outcome == 0)
    return (outer, inner)
  }

  // The order is that of Python's own colours: https://docs.python.org/3/using/cmdline.html#controlling-color
  @Test(
    "colours follow the environment as people expect",
    arguments: [
      ([:], true, false), (["TERM": "dumb"], false, false), (["NO_COLOR": "1"], false, false),
      (["NO_COLOR": ""], true, false), (["FORCE_COLOR": "1"], true, true), (["CLICOLOR_FORCE": "1"], true, true),
      (["CLICOLOR_FORCE": "0"], true, false), (["FORCE_COLOR": "", "CLICOLOR": "1"], true, false),
      (["CLICOLOR": "0"], false, false), (["CLICOLOR": "0", "CLICOLOR_FORCE": "1"], true, true),
      (["NO_COLOR": "1", "FORCE_COLOR": "1"], false, false), (["TERM": "dumb", "FORCE_COLOR": "1"], true, true),
    ] as [([String: String], Bool, Bool)])
  func colours(environment: [String: String], onTerminal: Bool, inPipe: Bool) {
    let (outer, inner) = Self.terminal()
    defer {
      close(outer)
      close(inner)
    }
    #expect(Terminal(descriptor: inner, environment: environment).hasColour == onTerminal)
    #expect(Terminal(descriptor: -1, environment: environment).hasColour == inPipe)
  }

  @Test("lines are written over on a terminal alone, and not where it has no control sequences")
  func redrawing() {
    let (outer, inner) = Self.terminal()
    defer {
      close(outer)
      close(inner)
    }
    #expect(Terminal(descriptor: inner, environment: ["NO_COLOR": "1"]).canRedraw)
    #expect(!Terminal(descriptor: inner, environment: ["TERM": "dumb"]).canRedraw)
    #expect(!Terminal(descriptor: -1, environment: ["FORCE_COLOR": "1"]).canRedraw)
  }

  @Test("the width is that of the terminal now")
  func width() {
    let (outer, inner) = Self.terminal()
    defer {
      close(outer)
      close(inner)
    }
    let terminal = Terminal(descriptor: inner, environment: [:])
    for columns in [40, 132] as [UInt16] {
      var size = winsize(ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
      #expect(ioctl(outer, UInt(TIOCSWINSZ), &size) == 0)
      #expect(terminal.width == Int(columns))
    }
    #expect(Terminal.absent.width == 80)
  }

  @Test("a colour is told by its meaning, and leaves the text as it is")
  func text() {
    let terminal = Terminal(descriptor: -1, environment: ["FORCE_COLOR": "1"])
    #expect(terminal.coloured("bad", .problem) == "\u{1B}[31mbad\u{1B}[0m")
    #expect(Terminal.absent.coloured("bad", .problem) == "bad")
  }
}
