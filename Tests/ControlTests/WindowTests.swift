import Control
import Testing

private let second: UInt64 = 1_000_000_000

@Suite("Who has waited for whom lately")
struct WaitingWindowTests {
  private func sample(
    _ seconds: UInt64, full: UInt64 = 0, starved: UInt64 = 0, used: UInt64 = 0, attached: UInt64 = 0
  ) -> WaitingWindow.Sample {
    WaitingWindow.Sample(
      nanoseconds: seconds * second, fullNanoseconds: full * second, starvedNanoseconds: starved * second,
      usedBatches: used, attachedNanoseconds: attached)
  }

  @Test("shares count from the start until a minute has passed, and then over the last minute alone")
  func shares() {
    var window = WaitingWindow(from: sample(100))
    func shares(until now: WaitingWindow.Sample) -> [Double] {
      let waits = window.waits(until: now)
      return [waits.fullPercent, waits.starvedPercent]
    }
    #expect(shares(until: sample(100)) == [0, 0])
    #expect(shares(until: sample(110, full: 5, starved: 1)) == [50, 10])
    // The ring is full for the first hundred seconds, and the trainer starves from then on.
    for second in UInt64(101)...400 {
      window.note(sample(second, full: min(second, 200) - 100, starved: max(second, 200) - 200))
    }
    #expect(shares(until: sample(400, full: 100, starved: 200)) == [0, 100])
    #expect(shares(until: sample(415, full: 115, starved: 200))[0] == 15.0 / 60 * 100)
  }

  @Test("the trainer's speed is that of the time in which it does not wait, and is not known where there is hardly any")
  func speed() {
    let window = WaitingWindow(from: sample(100))
    #expect(window.waits(until: sample(108, starved: 4, used: 6)).batchesPerSecond == 1.5)
    #expect(window.waits(until: sample(108, starved: 0, used: 6)).batchesPerSecond == 0.75)
    #expect(window.waits(until: sample(110, starved: 10, used: 6)).batchesPerSecond == nil)
    #expect(window.waits(until: sample(110, starved: 5)).batchesPerSecond == nil)
  }

  @Test("another trainer, or a ring that was made anew, begins a new window")
  func anew() {
    var window = WaitingWindow(from: sample(100))
    window.note(sample(110, full: 10, used: 50))
    #expect(window.waits(until: sample(110, full: 10, used: 50)).fullPercent == 100)
    #expect(window.waits(until: sample(111, full: 10, used: 50, attached: 1)) == WaitingWindow.Waits())
    window.note(sample(111, full: 10, used: 50, attached: 1))
    #expect(window.waits(until: sample(121, full: 10, starved: 5, used: 60, attached: 1)).batchesPerSecond == 2)
    // The counters of a new ring are below the old ones.
    window.note(sample(122))
    #expect(window.waits(until: sample(124, starved: 1, used: 2)).batchesPerSecond == 2)
  }

  @Test("counters that make no sense give shares from nothing to everything")
  func hostile() {
    let window = WaitingWindow(from: sample(100, full: 50, starved: 50))
    #expect(window.waits(until: sample(110, full: 50, starved: 1000)).starvedPercent == 100)
    #expect(window.waits(until: sample(110, full: 0, starved: 1000)) == WaitingWindow.Waits())
    #expect(window.waits(until: sample(90, full: 60, starved: 60)) == WaitingWindow.Waits())
  }
}

@Suite("What an image costs")
struct WorkWindowTests {
  private func sample(_ seconds: UInt64, prepared: UInt64 = 0, finished: UInt64 = 0, milliseconds: UInt64 = 10)
    -> WorkWindow.Sample
  {
    var sample = WorkWindow.Sample(nanoseconds: seconds * second)
    let millisecond: UInt64 = 1_000_000
    sample.prepared = WorkWindow.Sample.Stage(
      images: prepared, busyNanoseconds: prepared * milliseconds * millisecond,
      coreNanoseconds: prepared * 2 * millisecond)
    sample.finished = WorkWindow.Sample.Stage(
      images: finished, busyNanoseconds: finished * 3 * millisecond, coreNanoseconds: finished * 3 * millisecond)
    sample.readWaitNanoseconds = prepared * 7 * millisecond
    sample.readBytes = prepared * 1000
    return sample
  }

  @Test("each stage counts by its own images, so that a batch that is half made does not distort the mean")
  func stages() throws {
    let window = WorkWindow(from: sample(0))
    let cost = try #require(window.cost(until: sample(5, prepared: 320, finished: 7)))
    #expect(abs(cost.workerSeconds - 0.013) < 1e-9)
    #expect(abs(cost.coreSeconds - 0.005) < 1e-9)
    #expect(abs(cost.readWaitSeconds - 0.007) < 1e-9)
    #expect(cost.fileBytes == 1000)
    #expect(window.cost(until: sample(5, prepared: 320)) == nil)
  }

  @Test("the last minute counts, and where nothing was made in it, the whole time")
  func lately() throws {
    var window = WorkWindow(from: sample(0))
    for second in UInt64(1)...200 { window.note(sample(second, prepared: 50, finished: 50)) }
    #expect(abs(try #require(window.cost(until: sample(201, prepared: 50, finished: 50))).workerSeconds - 0.013) < 1e-9)
    var later = sample(202, prepared: 60, finished: 60)
    later.prepared.busyNanoseconds += 10 * 40_000_000
    #expect(abs(try #require(window.cost(until: later)).workerSeconds - 0.053) < 1e-9)
  }
}
