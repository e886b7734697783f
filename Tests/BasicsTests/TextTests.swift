import Basics
import Foundation
import Testing

@Suite("Text without Foundation: what Foundation would have made of it")
struct TextTests {
  @Test func numbersAreFormattedAsFoundationFormatsThem() {
    for value in [0, -0.05, 0.25, 1.0 / 3, 12_345.678, 1e15, .infinity] {
      #expect(String(printf: "%8.3f|%.0f %%", value, value) == String(format: "%8.3f|%.0f %%", value, value))
    }
    for value in [0, -7, Int.max, Int.min] {
      #expect(String(printf: "%10ld|%02lx", value, value) == String(format: "%10ld|%02lx", value, value))
    }
  }

  @Test func aLongTextIsNotCut() {
    #expect(String(printf: "%5000d", 1).utf8.count == 5000)
  }

  @Test func shortTextsArePaddedAndLongOnesLeftAlone() {
    #expect("größe".padded(to: 8) == "größe".padding(toLength: 8, withPad: " ", startingAt: 0))
    #expect("larger".padded(to: 3) == "larger")
  }

  @Test func theSystemsReasonIsTold() throws {
    let refusal = #expect(throws: (any Error).self) {
      try Data([1]).write(to: URL(fileURLWithPath: "/proc/nothing/here"), options: .atomic)
    }
    #expect(systemReason(of: try #require(refusal)) == "No such file or directory")
    #expect(systemReason(of: POSIXError(.EACCES)) == "Permission denied")
  }
}
