import Augmentation
import Basics
import Configuration
import Dataset
import FoundationEssentials
import Glibc
import Imaging
import LongWork
import Pipeline
import Sheets
import Streams

/// Draws what a batch looks like: for each sample its original, how the style of each view came about, and the finished views.
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
  package init(_ configuration: ServiceConfiguration, progress: (WorkProgress) -> Void) throws {
    self.configuration = configuration
    stream = try OpenedStream(withoutDaemon: configuration, progress: progress)
  }

  /// Makes batch `number` of the first rank and returns a sheet of its first `rows` samples, a row for each.
  ///
  /// From left to right: the original; for each view that may be stylized the crop as the style finds it, the style's own picture
  /// (its name, where it has none), the crop at full strength (alpha = beta = 1), the crop at the strength that was drawn, and with
  /// `magnification` what that changed; then all views as a trainer reads them.
  ///
  /// - Parameters:
  ///   - magnification: how many times larger than it is the change of the style is shown; `nil` leaves it out.
  ///   - typeface: for the captions; `nil` leaves them out.
  ///   - progress: told how many samples are prepared, and how many rows are drawn.
  /// - Throws: `StreamFailure` where the batch cannot be made.
  package func picture(
    batch number: UInt64, rows: Int, magnification: Int? = nil, typeface: Typeface?,
    progress: (WorkProgress) -> Void = { _ in }
  ) throws -> RGBImage {
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
    for position in 0..<prepared {
      progress(WorkProgress("preparing samples", WorkProgress.Count(position, of: prepared, "samples")))
      try assembly.prepare(position, tools: tools)
    }
    return try withExtendedLifetime(batch) {
      let crops = source.styledViews.map { view in
        (0..<prepared).map {
          RGBImage(copying: assembly.memory.picture(view: view, position: $0, side: source.recipes[view].side))
        }
      }
      for position in 0..<rows { try assembly.finish(position, tools: tools) }
      let cells = try (0..<rows).map { row in
        progress(WorkProgress("drawing rows", WorkProgress.Count(row, of: rows, "rows")))
        return try originalCells(of: assembly, row: row)
          + source.styledViews.enumerated().flatMap { order, view in
            try styleCells(
              of: assembly, row: row, view: view, crops: crops[order], lenders: crops[source.sharesStyles ? 0 : order],
              magnification: magnification, tools: tools)
          } + viewCells(of: assembly, row: row)
      }
      return sheet(cells, typeface: typeface)
    }
  }

  /// A picture with what is written below it.
  private struct Cell {
    let picture: RGBImage?
    let captions: [String]
  }

  private func sheet(_ cells: [[Cell]], typeface: Typeface?) -> RGBImage {
    let sheet = PictureSheet(
      columns: cells[0].count, cellWidth: max(side, Self.leastCellWidth), heights: cells.map { _ in side },
      captionLines: 2, typeface: typeface)
    for (row, line) in cells.enumerated() {
      for (column, cell) in line.enumerated() {
        if let picture = cell.picture {
          sheet.place(picture, column: column, row: row, captions: cell.captions)
        } else {
          sheet.write(cell.captions, column: column, row: row)
        }
      }
    }
    return sheet.image
  }

  /// Of the largest view, in pixels.
  private var side: Int { stream.source.recipes.map(\.side).max()! }

  /// Captions do not fit below narrower pictures.
  private static let leastCellWidth = 160

  private func originalCells(of assembly: BatchAssembly, row: Int) throws -> [Cell] {
    let source = stream.source
    let sample = Int(assembly.memory.sampleIDs[row])
    let decoder = ImageDecoder(appliesOrientation: source.appliesOrientation)
    let original = try decoder.decode(
      try source.catalog.bytes(of: sample, limit: source.limits.maximumBytes), limits: source.limits)
    let file = source.catalog.relativePath(of: sample).description
    return [Cell(picture: original.fitted(side: side), captions: ["original \(sample)", file])]
  }

  private func styleCells(
    of assembly: BatchAssembly, row: Int, view: Int, crops: [RGBImage], lenders: [RGBImage], magnification: Int?,
    tools: WorkerTools
  ) throws -> [Cell] {
    let crop = Cell(picture: crops[row], captions: ["view \(view), before its style"])
    guard let stylization = assembly.stylization(of: row, view: view) else {
      let empty = Cell(picture: nil, captions: ["left unstylized"])
      return [crop] + Array(repeating: empty, count: magnification == nil ? 3 : 4)
    }
    func stylized(_ stylization: Stylization) throws -> RGBImage {
      let picture = crops[row].copy()
      try withExtendedLifetime(picture) {
        try stylization.apply(stream.source.model!, to: $0.pixels, tools: tools)
      }
      return picture
    }
    var fullStrength = stylization
    fullStrength.strength = StyleDraw(alpha: 1, beta: 1)
    let drawn = try stylized(stylization)
    let strength = stylization.strength
    var cells = [
      crop,
      Cell(
        picture: stylization.lender.map { lenders[$0] } ?? stylePicture(stylization.style),
        captions: ["style", stream.source.styleName(stylization.style)]),
      Cell(picture: try stylized(fullStrength), captions: ["at full strength", "alpha 1, beta 1"]),
      Cell(
        picture: drawn,
        captions: ["as drawn", String(printf: "alpha %.2f, beta %.2f", strength.alpha, strength.beta)]),
    ]
    if let magnification {
      cells.append(
        Cell(
          picture: difference(of: drawn, from: crops[row], times: magnification),
          captions: ["what that changes, \(magnification) times"]))
    }
    return cells
  }

  private func viewCells(of assembly: BatchAssembly, row: Int) -> [Cell] {
    stream.source.recipes.enumerated().map { view, recipe in
      Cell(
        picture: RGBImage(copying: assembly.memory.picture(view: view, position: row, side: recipe.side)),
        captions: ["view \(view), finished"])
    }
  }

  /// The picture that a style of a folder was taken from; `nil` where the styles are no pictures or it cannot be read any more.
  private func stylePicture(_ style: Int64) -> RGBImage? {
    guard configuration.style.source == .folder else { return nil }
    let path = configuration.style.folder + "/" + stream.source.styleName(style)
    guard let bytes = FileManager.default.contents(atPath: path) else { return nil }
    return (try? ImageDecoder().decode([UInt8](bytes), limits: stream.source.limits)).map { $0.fitted(side: side) }
  }

  /// Medium grey where two pictures agree; brighter or darker by `times` their difference.
  private func difference(of picture: RGBImage, from other: RGBImage, times: Int) -> RGBImage {
    let result = RGBImage(width: picture.width, height: picture.height)
    withExtendedLifetime((picture, other, result)) {
      for (index, (new, old)) in zip($0.pixels.bytes, $1.pixels.bytes).enumerated() {
        $2.pixels.bytes[index] = UInt8(clamping: 128 + (Int(new) - Int(old)) * times)
      }
    }
    return result
  }
}
