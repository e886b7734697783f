import Foundation
import Log
import Synchronization
import Testing

@Suite("Lines that cannot be written")
struct LogStreamTests {
  /// Both ends of a pipe.
  private static func pipe() -> (reading: Int32, writing: Int32) {
    var ends: [Int32] = [-1, -1]
    #expect(Glibc.pipe(&ends) == 0)
    return (ends[0], ends[1])
  }

  /// Everything that is in a pipe now, and until `enough` has come.
  private static func read(_ descriptor: Int32, until enough: (String) -> Bool) -> String {
    var text = ""
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while !enough(text) {
      let count = Glibc.read(descriptor, &chunk, chunk.count)
      guard count > 0 else { break }
      text += String(decoding: chunk[..<count], as: UTF8.self)
    }
    return text
  }

  @Test("a pipe that is full and that nobody reads holds nobody up, and what was left out is counted")
  func fullPipe() {
    let (reading, writing) = Self.pipe()
    defer {
      close(reading)
      close(writing)
    }
    let stream = LogStream(descriptor: writing)
    let line = String(repeating: "x", count: 999) + "\n"
    // Much more than pipe and buffer hold together; a write that waits would never return.
    for _ in 0..<2000 { stream.write(line) }
    var further = 0
    let text = Self.read(reading) { text in
      stream.write("the last line\n")
      further += 1
      return text.hasSuffix("the last line\n")
    }
    let lines = text.split(separator: "\n")
    let kept = lines.count { $0.hasPrefix("x") }
    #expect(kept > 0 && kept < 2000)
    let told = lines.filter { $0.hasSuffix(" earlier lines of this log could not be written)") }
      .compactMap { Int($0.dropFirst().prefix { $0 != " " }) }
    // Where the thread that writes comes late, some of the further lines find the buffer full too.
    #expect(
      (2000 - kept...2000 - kept + further).contains(told.reduce(0, +)), "\(told), \(kept) kept, \(further) further")
  }

  @Test("a pipe whose reader is gone ends nothing")
  func noReader() {
    let (reading, writing) = Self.pipe()
    close(reading)
    let stream = LogStream(descriptor: writing)
    stream.write("unheard\n")
    stream.flush(seconds: 60)
    close(writing)
  }

  @Test("a full disk loses lines, and tells how many when it can")
  func fullDisk() throws {
    let descriptor = open("/dev/full", O_WRONLY)
    let stream = LogStream(descriptor: descriptor)
    for _ in 0..<3 { stream.write("lost\n") }
    stream.flush(seconds: 60)
    let (reading, writing) = Self.pipe()
    #expect(dup2(writing, descriptor) == descriptor)
    stream.write("kept\n")
    stream.flush(seconds: 60)
    #expect(
      Self.read(reading) { $0.hasSuffix("kept\n") } == "(3 earlier lines of this log could not be written)\nkept\n")
    for descriptor in [descriptor, reading, writing] { close(descriptor) }
  }

  @Test("the journal tells what it held back when the period is over, and what it holds back when it ends")
  func heldBack() {
    let (reading, writing) = Self.pipe()
    let stream = LogStream(descriptor: writing)
    let uptime = Mutex(100.0)
    let journal = Journal(on: stream, uptime: { uptime.withLock { $0 } })
    func lines(after action: () -> Void) -> [String] {
      action()
      stream.write("end\n")
      let text = Self.read(reading) { $0.hasSuffix("end\n") }
      return text.split(separator: "\n").dropLast().map { String($0.drop { $0 != " " && $0 != ">" }.dropFirst()) }
    }
    let flood = lines { for number in 0..<12 { journal.write(.warning, kind: "bad files", "line \(number)") } }
    #expect(flood == (0..<5).map { "line \($0)" })
    #expect(lines { journal.tellHeldBack() }.isEmpty)
    uptime.withLock { $0 += 31 }
    #expect(lines { journal.tellHeldBack() } == ["7 more lines like these about: bad files"])
    #expect(lines { journal.tellHeldBack() }.isEmpty)
    _ = lines { for number in 0..<6 { journal.write(.warning, kind: "bad files", "line \(number)") } }
    #expect(lines { journal.finish() } == ["1 more lines like these about: bad files"])
    close(reading)
    close(writing)
  }

  @Test("what passes stands below all lines, and is gone without a trace when it ends")
  func passing() {
    let (reading, writing) = Self.pipe()
    defer {
      close(reading)
      close(writing)
    }
    let stream = LogStream(descriptor: writing)
    // Each is written before the next comes: what is replaced before it was written is not written at all.
    func then(_ step: () -> Void) {
      step()
      stream.flush(seconds: 60)
    }
    then { stream.show(passing: "10 %") }
    then { stream.write("a line\n") }
    then { stream.show(passing: "20 %") }
    then { stream.show(passing: "20 %") }
    then { stream.show(passing: "") }
    then { stream.write("the last\n") }
    let text = Self.read(reading) { $0.hasSuffix("the last\n") }
    let erased = "\r\u{1B}[K"
    #expect(text == "10 %" + erased + "a line\n10 %" + erased + "20 %" + erased + "the last\n")
  }
}
