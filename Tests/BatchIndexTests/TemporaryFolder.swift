import BatchIndex
import Foundation

/// A folder of one test's own, removed with everything in it when the test is done.
final class TemporaryFolder {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "sassl-index-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit {
    try? FileManager.default.removeItem(atPath: path)
  }

  /// Where the index of this test lives.
  var index: String { path + "/index.sqlite" }

  /// The names of the files in the folder.
  var files: [String] { (try? FileManager.default.contentsOfDirectory(atPath: path).sorted()) ?? [] }
}

/// A moment that survives being stored in whole microseconds.
func moment(_ seconds: Int) -> Date {
  Date(timeIntervalSince1970: 1_700_000_000 + TimeInterval(seconds))
}

/// A batch of `samples` samples whose every number is different from every other's.
func batch(_ number: UInt64, rank: Int = 0, samples: Int = 2) -> BatchRecord {
  let stages = StageDurations(
    wait: .microseconds(1), decode: .milliseconds(2), crop: .microseconds(3), style: .seconds(4),
    augment: .microseconds(5), write: .microseconds(6))
  let first = Int64(number % 1_000_000) * 100
  let drawn = (0..<Int64(samples)).map { position in
    DrawnSample(
      sampleID: first + position, replacedSampleID: position == 0 ? nil : 77,
      styles: [1, 3].map { view in
        DrawnStyle(
          view: view, styleID: position - 1, isStyled: position % 2 == 1, alpha: 0.1 + Float(position),
          beta: 0.25 * Float(view))
      })
  }
  let numbers: [UInt8] = (0..<samples).flatMap { position -> [UInt8] in
    [UInt8(truncatingIfNeeded: position), 1, 2, UInt8(truncatingIfNeeded: number)]
  }
  let columns =
    samples == 0
    ? []
    : [
      DrawnNumbers(view: 1, name: "z", type: "float32", length: nil, bytes: numbers),
      DrawnNumbers(view: 0, name: "a", type: "int32", length: 1, bytes: numbers),
    ]
  return BatchRecord(
    number: number, rank: rank, epoch: number / 10, step: Int(number % 10), slot: Int(number % 4),
    madeAt: moment(Int(number % 1000)), stages: stages, samples: drawn,
    drawn: columns)
}
