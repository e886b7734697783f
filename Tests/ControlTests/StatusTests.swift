import Control
import Foundation
import Testing

/// A report as a daemon would send it; tests change what they are about.
private func report(
  state: String = "running", detail: String = "", process: Int? = 4711, workers: Int = 4, cores: Int = 8,
  rings: [[String: Any]] = [],
  stages: [String: Double] = [:], quarantine: [[String: Any]] = [], quarantinedFiles: Int = 0
) throws -> StatusReport {
  let names = ["read", "decode", "crop", "embed", "stylize", "augment"]
  var fields: [String: Any] = [
    "format_version": 1, "program_version": "0", "name": "a-name-longer-than-any-column", "state": state,
    "detail": detail,
    "started_at_seconds": 1_800_000_000, "uptime_seconds": 60, "fingerprint": "00", "dataset": "/pictures",
    "samples": 100, "model": "embedded", "style_source": "in-batch", "workers": workers, "cores": cores,
    "cpu_path": "avx2", "rings": rings, "images": 640, "images_per_second": 12.5,
    "stages": Dictionary(uniqueKeysWithValues: names.map { ("\($0)_microseconds", stages[$0] ?? 1) }),
    "replaced_samples": 0, "quarantine": quarantine, "quarantined_files": quarantinedFiles, "index": "ok",
    "resident_bytes": 1 << 20,
  ]
  fields["process"] = process
  return try StatusReport(json: JSONSerialization.data(withJSONObject: fields))
}

private func ring(
  rank: Int = 0, starved: Double, full: Double, leased: Int = 1, reader: Int? = 99
) -> [String: Any] {
  var fields: [String: Any] = [
    "rank": rank, "slots": 8, "size_bytes": 4096, "ready_batches": 3, "leased_batches": leased,
    "published_batches": 20, "released_batches": 16, "next_batch": 20, "epoch": 2, "step": 4, "batches_per_epoch": 8,
    "full_percent": full,
    "trainer_starved_percent": starved,
  ]
  fields["reader_process"] = reader
  return fields
}

@Suite("What status advises")
struct StatusAdviceTests {
  @Test(
    "waits are told, and what to change follows from who waits",
    arguments: [
      (0.0, 0.0, "keep pace"), (4.9, 4.9, "keep pace"),
      // Half of the four workers' time is idle.
      (0.0, 50.0, "2 of the 4 workers would do"), (0.0, 100.0, "1 of the 4 workers would do"),
      // Idle for less than one worker's worth.
      (0.0, 20.0, "nothing to change"),
      // The trainer could take 4 / (1 - 0.2) workers' images, or more than the cores give.
      (20.0, 0.0, "raise workers.count from 4 to 5"), (100.0, 0.0, "raise workers.count from 4 to 8"),
      (30.0, 30.0, "raise ring.slots above 8"), (98.0, 6.0, "raise workers.count"),
    ])
  func advice(starved: Double, full: Double, expected: String) throws {
    let advice = try #require(try report(rings: [ring(starved: starved, full: full)]).advice)
    #expect(advice.contains(expected), "\(advice)")
  }

  @Test(
    "with every core at work, the advice is about the stage that takes most time",
    arguments: [
      ("read", "faster disk"), ("decode", "store the pictures smaller"), ("crop", "views.side"),
      ("embed", "style.probability"), ("stylize", "style.probability"), ("augment", "views.side"),
    ])
  func bottleneck(stage: String, expected: String) throws {
    let busy = try report(workers: 8, rings: [ring(starved: 50, full: 0)], stages: [stage: 1000])
    #expect(try #require(busy.advice).contains(expected))
  }

  @Test("a trainer that holds every slot waits for itself")
  func holdsAll() throws {
    let advice = try #require(try report(rings: [ring(starved: 50, full: 50, leased: 8)]).advice)
    #expect(advice.contains("holds all 8 slots"), "\(advice)")
  }

  @Test("the rank that waits most decides, and rings without a reader do not count")
  func ranks() throws {
    let rings = [
      ring(rank: 0, starved: 0, full: 100, reader: nil), ring(rank: 1, starved: 1, full: 0),
      ring(rank: 2, starved: 60, full: 0),
    ]
    #expect(try #require(try report(rings: rings).advice).contains("raise workers.count"))
    #expect(try #require(try report(rings: [rings[0]]).advice).contains("no trainer reads"))
  }

  @Test("where the detail says what keeps batches from coming, there is no advice beside it")
  func detail() throws {
    let waiting = try report(detail: "1 worker waits: /a cannot be read", rings: [ring(starved: 50, full: 0)])
    #expect(waiting.advice == nil)
    #expect(waiting.table().contains(": 1 worker waits: /a cannot be read"))
  }

  @Test("there is no advice on a daemon that does not run", arguments: ["starting", "draining", "stopped", "unknown"])
  func silent(state: String) throws {
    #expect(try report(state: state, rings: [ring(starved: 50, full: 0)]).advice == nil)
  }
}

@Suite("The status table")
struct StatusTableTests {
  private func row(_ title: String, of table: String) -> String? {
    table.split(separator: "\n").first { $0.hasPrefix(title) }.map(String.init)
  }

  @Test("a running daemon's rows say where the stream is and who waits for whom")
  func running() throws {
    let table = try report(rings: [ring(starved: 12, full: 3), ring(rank: 1, starved: 0, full: 40, reader: nil)])
      .table()
    #expect(row("stream", of: table)?.contains("a-name-longer-than-any-column: running (process 4711)") == true)
    let first = try #require(row("rank 0", of: table))
    for piece in [
      "batch 20", "epoch 2, step 4 of 8", "3 of 8 slots", "process 99", "trainer waited 12 %", "workers 3 %",
    ] {
      #expect(first.contains(piece), "\(first)")
    }
    #expect(row("rank 1", of: table)?.contains("no reader") == true)
    #expect(row("speed", of: table)?.contains("12.5 images/s") == true)
    #expect(row("advice", of: table) != nil)
  }

  @Test("a daemon that does not run has no speed, no rings and no memory")
  func stopped() throws {
    let table = try report(state: "stopped", process: nil).table()
    #expect(row("stream", of: table)?.contains("stopped") == true)
    for title in ["speed", "per image", "rank", "advice", "memory"] { #expect(row(title, of: table) == nil) }
  }

  @Test("bad files are named with their reason, twenty of them")
  func badFiles() throws {
    let bad = (0..<30).map {
      ["sample_id": $0, "path": "/pictures/\($0).jpg", "reason": "is cut short"] as [String: Any]
    }
    let table = try report(quarantine: bad, quarantinedFiles: 30).table()
    #expect(table.contains("/pictures/19.jpg: is cut short"))
    #expect(!table.contains("/pictures/20.jpg"))
    #expect(table.contains("more of them with --json"))
  }

  @Test("the JSON form reads as the same report again")
  func json() throws {
    let original = try report(rings: [ring(starved: 12, full: 3)])
    #expect(try StatusReport(json: original.json(pretty: true)) == original)
  }
}

@Suite("Who has waited for whom lately")
struct WaitingWindowTests {
  private func mark(_ seconds: UInt64, full: UInt64 = 0, starved: UInt64 = 0) -> WaitingWindow.Mark {
    let second: UInt64 = 1_000_000_000
    return WaitingWindow.Mark(
      nanoseconds: seconds * second, fullNanoseconds: full * second, starvedNanoseconds: starved * second)
  }

  @Test("shares count from the start until a minute has passed, and then over the last minute alone")
  func shares() {
    var window = WaitingWindow(from: mark(100))
    #expect(window.percentages(until: mark(100)) == (0, 0))
    #expect(window.percentages(until: mark(110, full: 5, starved: 1)) == (50, 10))
    // The ring is full for the first hundred seconds, and the trainer starves from then on.
    for second in UInt64(101)...400 {
      window.note(mark(second, full: min(second, 200) - 100, starved: max(second, 200) - 200))
    }
    #expect(window.percentages(until: mark(400, full: 100, starved: 200)) == (0, 100))
    #expect(window.percentages(until: mark(415, full: 115, starved: 200)).full == 15.0 / 75 * 100)
  }

  @Test("counters that make no sense give shares from nothing to everything")
  func hostile() {
    let window = WaitingWindow(from: mark(100, full: 50, starved: 50))
    #expect(window.percentages(until: mark(110, full: 0, starved: 1000)) == (0, 100))
    #expect(window.percentages(until: mark(90, full: 60, starved: 60)) == (0, 0))
  }
}
