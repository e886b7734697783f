import Configuration
import Dataset
import Foundation
import Imaging
import Pipeline
import Preview
import Sheets
import Streams
import Testing

@Suite("The preview of a batch")
struct BatchPreviewTests {
  @Test("shows each sample's original and the very pixels that a trainer reads")
  func pixels() throws {
    let folder = "/dev/shm/sassl-preview-" + UUID().uuidString
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try FileManager.default.createDirectory(atPath: folder + "/data", withIntermediateDirectories: true)
    for number in 0..<4 {
      let picture = RGBImage(width: 32, height: 32)
      let bytes = picture.pixels.bytes
      for index in bytes.indices { bytes[index] = UInt8(truncatingIfNeeded: index * (number + 3) + index / 11) }
      let file = Data(try withExtendedLifetime(picture) { try PNGFile.encode(picture.pixels) })
      try file.write(to: URL(filePath: folder + "/data/\(number).png"))
    }
    let text = """
      dataset = { path = "\(folder)/data", layout = "flat" }
      batch.size = 4
      views.side = 32
      style.group = 4
      """
    let configuration = try ServiceConfiguration.parse(Array(text.utf8), file: "test.toml")
    let sheet = try BatchPreview(configuration, progress: { _ in }).picture(batch: 0, rows: 2, typeface: nil)

    let source = try OpenedStream(configuration, journal: nil, reader: nil, index: nil, progress: { _ in }).source
    let batches = try PlainBatches(source, size: 4)
    // Behind the original and the four columns of the stylized view; cells are wider than these small pictures.
    let width = (sheet.width - PictureSheet.margin) / 7
    for view in 0..<2 {
      let left = PictureSheet.margin + (5 + view) * width + (width - PictureSheet.margin - 32) / 2
      for row in 0..<32 {
        let begin = ((PictureSheet.margin + row) * sheet.width + left) * 3
        #expect(Array(sheet.pixels.bytes[begin..<begin + 32 * 3]) == batches.row(row, ofView: view, side: 32))
      }
    }
    withExtendedLifetime(sheet) {}
  }
}

/// The first batch of a stream, made without a preview.
private final class PlainBatches {
  private let batch: PrivateBatch

  init(_ source: StreamSource, size: Int) throws {
    batch = PrivateBatch(recipes: source.recipes, count: size)
    let schedule = try StreamSchedule(sampleCount: source.catalog.count, seed: source.seed, batchSize: size)
    let loader = SampleLoader(
      source: source, quarantine: Quarantine(fraction: 0, total: size), patience: 0, onBadFile: { _, _ in })
    let assembly = BatchAssembly(
      plan: schedule.batch(0), memory: batch.memory, source: source, schedule: schedule, loader: loader)
    try assembly.make(tools: WorkerTools(for: source))
  }

  /// A row of pixels of the first sample.
  func row(_ row: Int, ofView view: Int, side: Int) -> [UInt8] {
    Array(batch.arrays[view][(row * side * 3)..<((row + 1) * side * 3)])
  }
}
