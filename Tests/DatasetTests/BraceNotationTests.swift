import Basics
import Dataset
import Foundation
import Testing

@Suite("Braces in the names of shards")
struct BraceNotationTests {
  /// What bash makes of a text.
  func bash(_ text: String) throws -> [BytePath] {
    let process = Process()
    process.executableURL = URL(filePath: "/bin/bash")
    process.arguments = ["-c", "printf '%s\\n' " + text]
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let lines = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return lines.split(separator: UInt8(ascii: "\n")).map { BytePath($0) }
  }

  @Test(
    "stand for what they stand for in bash",
    arguments: [
      "a.tar", "train-{000000..000146}.tar", "{9..11}", "{09..11}", "{0..0}", "{5..1}", "{a,b}-{1..3}.tar", "x{,y}z",
      "{a,{b,c}d,{1..2}}e", "{08..101}", "/data/{train,val}/{00..03}.tar", "{1,02..03}",
    ])
  func asInBash(text: String) throws {
    #expect(try BraceNotation.expanded(BytePath(text)) == bash(text))
  }

  @Test("that mean nothing are refused")
  func refused() {
    for text in ["a{", "a}", "{1..2}}", "{{1..2}"] {
      #expect(throws: BraceNotation.Fault.unbalanced) { try BraceNotation.expanded(BytePath(text)) }
    }
    for (text, inside) in [("{}", ""), ("{a}", "a"), ("{1.2}", "1.2"), ("{a..c}", "a..c"), ("{-1..2}", "-1..2")] {
      #expect(throws: BraceNotation.Fault.neither(inside)) { try BraceNotation.expanded(BytePath(text)) }
    }
    for text in ["{0..1000000}", "{0..4294967295}", "{0..999}{0..999}{0..9}"] {
      #expect(throws: BraceNotation.Fault.tooMany) { try BraceNotation.expanded(BytePath(text)) }
    }
  }
}
