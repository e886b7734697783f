import Commands
import LongWork
import Testing

@Suite("The bar of long work")
struct ProgressBarTests {
  private static let report: ProgressReport = {
    var report = ProgressReport(activity: "reading pictures", elapsedSeconds: 10)
    report.done = 250
    report.total = 1000
    report.unit = "pictures"
    report.percent = 25
    report.perSecond = 31.25
    report.remainingSeconds = 24
    return report
  }()

  @Test("it has how much of how much, the rate and the time that is left")
  func whole() {
    #expect(
      Self.report.bar(width: 200)
        == "reading pictures [#####---------------] 25 % 250 of 1000 pictures, 31.2 pictures/s, 24 s left")
  }

  @Test("it fits a terminal of any width, and begins with what is done", arguments: 1...200)
  func narrow(width: Int) {
    let line = Self.report.bar(width: width)
    #expect(line.count <= max(1, width - 1))
    #expect(line.hasPrefix("reading pictures".prefix(max(1, width - 1))))
  }

  @Test("without an end to count towards, it tells how long it has taken")
  func endless() {
    var report = Self.report
    report.total = nil
    report.percent = nil
    report.remainingSeconds = nil
    #expect(report.bar(width: 80) == "reading pictures 250 pictures, 31.2 pictures/s, 10 s")
    #expect(ProgressReport(activity: "loading", elapsedSeconds: 3).bar(width: 80) == "loading, 3 s")
  }

  @Test("it is empty at the beginning and full at the end, and only then", arguments: [0, 1, 999, 1000])
  func ends(done: Int) {
    var report = Self.report
    report.done = done
    report.percent = Double(done) / 10
    let line = report.bar(width: 80)
    #expect(line.contains(" 100 %") == (done == 1000))
    #expect(line.contains("[####################]") == (done == 1000))
    #expect(line.contains("[--------------------]") == (done < 50))
  }
}
