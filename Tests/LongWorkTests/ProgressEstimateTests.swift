import LongWork
import Testing

@Suite("How far long work is")
struct ProgressEstimateTests {
  private static func seconds(_ count: Double) -> UInt64 { UInt64(count * 1e9) }

  private static func work(_ done: Int, of total: Int? = 100) -> WorkProgress {
    WorkProgress("reading", WorkProgress.Count(done, of: total, "files"))
  }

  @Test("work at an even rate is done when the estimate says, at every moment", arguments: [0.1, 3.0, 250.0])
  func evenRate(perSecond: Double) {
    let total = 1000
    var estimate = ProgressEstimate(Self.work(0, of: total), at: 0)
    let whole = Double(total) / perSecond
    for step in 1...200 {
      let time = whole * Double(step) / 200
      let done = Int(time * perSecond)
      estimate.note(Self.work(done, of: total), at: Self.seconds(time))
      let report = estimate.report(at: Self.seconds(time))
      #expect(report.percent == 100 * Double(done) / Double(total))
      #expect(abs(report.elapsedSeconds - time) < 1e-6)
      // A count is whole, so that a rate may be off by one of the counted in the time of its window.
      guard let remaining = report.remainingSeconds, done > 20 else { continue }
      #expect(abs(remaining - (whole - time)) <= 0.1 * (whole - time) + 2 / perSecond)
    }
  }

  @Test("what was there already says nothing of what must be read")
  func fastBeginning() {
    var estimate = ProgressEstimate(Self.work(0, of: 2000), at: 0)
    // A thousand at once, and from then on one a second.
    for second in 0...100 {
      estimate.note(Self.work(1000 + second, of: 2000), at: Self.seconds(1 + Double(second)))
    }
    let report = estimate.report(at: Self.seconds(101))
    #expect(abs(report.perSecond! - 1) < 0.05)
    #expect(abs(report.remainingSeconds! - 900) < 45)
  }

  @Test("a rate falls while nothing comes")
  func stall() {
    var estimate = ProgressEstimate(Self.work(0), at: 0)
    estimate.note(Self.work(10), at: Self.seconds(10))
    #expect(estimate.report(at: Self.seconds(10)).perSecond == 1)
    #expect(estimate.report(at: Self.seconds(100)).perSecond == 0.1)
  }

  @Test("no rate is guessed, and nothing is divided by zero")
  func beginning() {
    var estimate = ProgressEstimate(Self.work(0), at: Self.seconds(5))
    estimate.note(Self.work(50), at: Self.seconds(5.2))
    let report = estimate.report(at: Self.seconds(5.2))
    #expect((report.perSecond, report.remainingSeconds) == (nil, nil))
    #expect(report.percent == 50)
    #expect(ProgressEstimate(Self.work(0, of: 0), at: 0).report(at: 0).percent == 100)
  }

  @Test("other work, and the same from its beginning, has an estimate of its own")
  func otherWork() {
    var estimate = ProgressEstimate(Self.work(0), at: 0)
    estimate.note(Self.work(90), at: Self.seconds(10))
    estimate.note(WorkProgress("writing"), at: Self.seconds(20))
    let report = estimate.report(at: Self.seconds(21))
    #expect((report.activity, report.elapsedSeconds, report.done) == ("writing", 1, nil))
    estimate.note(Self.work(1), at: Self.seconds(30))
    estimate.note(Self.work(0), at: Self.seconds(40))
    #expect(estimate.report(at: Self.seconds(42)).elapsedSeconds == 2)
  }

  @Test("what one of several threads tells late changes nothing")
  func lateNews() {
    var estimate = ProgressEstimate(Self.work(0), at: 0)
    estimate.note(Self.work(20), at: Self.seconds(10))
    let before = estimate.report(at: Self.seconds(11))
    estimate.note(Self.work(19), at: Self.seconds(11))
    #expect(estimate.report(at: Self.seconds(11)) == before)
    #expect(before.done == 20 && before.elapsedSeconds == 11)
  }

  @Test("a report says in words what it has in numbers")
  func sentences() {
    var report = ProgressReport(activity: "reading the dataset", elapsedSeconds: 3)
    #expect(report.sentence == "reading the dataset")
    report.done = 12
    report.unit = "shards"
    #expect(report.sentence == "reading the dataset: 12 shards so far")
    report.total = 147
    report.percent = 1200.0 / 147
    report.note = "1000 samples so far"
    report.perSecond = 0.5
    report.remainingSeconds = 121
    #expect(
      report.sentence == "reading the dataset: 12 of 147 shards (8 %), 1000 samples so far, about 2 min left")
    #expect(report.rate == "30 shards/min")
  }

  @Test(
    "durations are told as people say them",
    arguments: [
      (0.0, "0 s"), (0.2, "1 s"), (59.0, "59 s"), (60.0, "1 min"), (89.0, "1 min"), (91.0, "2 min"),
      (3600.0, "1 h"), (7500.0, "2 h 5 min"), (1e300, "277777 h 47 min"),
    ])
  func durations(seconds: Double, words: String) {
    #expect(ProgressReport.words(seconds: seconds) == words)
  }
}
