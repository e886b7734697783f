import Basics
import Configuration
import Dataset
import FoundationEssentials
import Glibc
import Imaging
import Pipeline
import Streams

/// Draws what a batch looks like: each sample's original beside its views, with what was drawn written below.
///
/// The batch is made from the configuration alone, by the same code as the daemon's; because a batch is a pure function of
/// configuration and number, the picture shows what a trainer reads, whether or not a daemon runs.
package struct BatchPreview {
  private let configuration: ServiceConfiguration
  private let stream: OpenedStream

  /// Opens the stream that a configuration describes.
  ///
  /// - Parameter progress: told how far that is.
  /// - Throws: what `sassld` would refuse to start with.
  package init(_ configuration: ServiceConfiguration, progress: (OpenedStream.Progress) -> Void) throws {
    self.configuration = configuration
    stream = try OpenedStream(withoutDaemon: configuration, progress: progress)
  }

  /// Makes batch `number` of the first rank and returns a picture of its first `rows` samples.
  ///
  /// - Throws: `StreamFailure` where the batch cannot be made.
  package func picture(batch number: UInt64, rows: Int) throws -> RGBImage {
    let source = stream.source
    let schedule = stream.schedules[0]
    let plan = schedule.batch(number)
    let rows = min(rows, plan.sampleIDs.count)
    let batch = PrivateBatch(recipes: source.recipes, count: plan.sampleIDs.count)
    let loader = SampleLoader(
      source: source,
      quarantine: Quarantine(fraction: configuration.limits.maximumBadFraction, total: source.catalog.count),
      patience: configuration.limits.waitForMachine, onBadFile: { _, _ in })
    let assembly = BatchAssembly(
      plan: plan, memory: batch.memory, source: source, schedule: schedule, loader: loader)
    let tools = WorkerTools(for: source)
    let prepared = min(assembly.count, (rows + assembly.groupSize - 1) / assembly.groupSize * assembly.groupSize)
    for position in 0..<prepared { try assembly.prepare(position, tools: tools) }
    for position in 0..<rows { try assembly.finish(position, tools: tools) }
    return try withExtendedLifetime(batch) { try draw(assembly, rows: rows) }
  }

  private func draw(_ assembly: BatchAssembly, rows: Int) throws -> RGBImage {
    let source = stream.source
    let cell = source.recipes.map(\.side).max()!
    let canvas = PreviewCanvas(
      cellWidth: cell, cellHeight: cell, columns: 1 + source.recipes.count, rows: rows, captionLines: 2)
    let decoder = ImageDecoder(appliesOrientation: source.appliesOrientation)
    let workspace = PixelWorkspace()
    for row in 0..<rows {
      let sample = Int(assembly.memory.sampleIDs[row])
      let bytes = try source.catalog.bytes(of: sample, limit: source.limits.maximumBytes)
      let original = try decoder.decode(bytes, limits: source.limits)
      let scale = Double(cell) / Double(max(original.width, original.height))
      let fitted = RGBImage(
        width: max(1, Int(Double(original.width) * scale)), height: max(1, Int(Double(original.height) * scale)))
      // Their pixels do not keep them alive.
      defer { withExtendedLifetime((original, fitted)) {} }
      fitted.pixels.resize(from: original.pixels, workspace: workspace)
      let file = source.catalog.relativePath(of: sample).description
      canvas.place(fitted.pixels, column: 0, row: row, captions: ["original \(sample)", file])
      for (view, recipe) in source.recipes.enumerated() {
        let picture = assembly.memory.picture(view: view, position: row, side: recipe.side)
        canvas.place(
          picture, column: 1 + view, row: row,
          captions: [
            "view \(view)\(style(of: view, row: row, in: assembly).map { ", \($0.strength)" } ?? "")",
            style(of: view, row: row, in: assembly)?.name ?? "own style",
          ])
      }
    }
    return canvas.image
  }

  private func style(of view: Int, row: Int, in assembly: BatchAssembly) -> (strength: String, name: String)? {
    guard let order = stream.source.styledViews.firstIndex(of: view) else { return nil }
    let columns = assembly.memory.styles[order]
    guard columns.applied[row] != 0 else { return nil }
    return (
      String(printf: "alpha %.2f beta %.2f", columns.alpha[row], columns.beta[row]),
      "style " + stream.source.styleName(columns.styleIDs[row])
    )
  }
}
