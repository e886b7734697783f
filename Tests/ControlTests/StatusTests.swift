import Control
import Foundation
import Testing

/// A report as a daemon would send it; tests change what they are about.
func report(
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

/// One ring of such a report.
func ring(
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
