import BatchIndex
import BatchRing
import Imaging
import Pipeline

/// A batch as the page shows it: the first of its samples, what was drawn for them, and where their pictures are.
struct ShownBatch: Encodable, Sendable {
  /// One view of the batch.
  struct View: Encodable, Sendable {
    let view: Int
    let width: Int
    let height: Int
  }

  /// One sample of the batch.
  struct Sample: Encodable, Sendable {
    let position: Int
    let sampleId: Int64
    let label: Int64
    /// One for each view that may be stylized.
    let styles: [Style]
    /// For each view what was drawn for it, by name, and its number as `view`; absent without `ring.drawn`.
    let drawn: [[String: DrawnValue]]?
    /// For each view, the address of its picture.
    var pictures: [String]
  }

  /// What was drawn for the style of a view.
  struct Style: Encodable, Sendable {
    let view: Int
    let applied: Bool
    let styleId: Int64
    let alpha: DrawnValue
    let beta: DrawnValue
  }

  let batch: UInt64
  let epoch: UInt64
  let step: UInt64
  /// How many samples the whole batch has.
  let count: Int
  /// Whether the ring still holds it.
  var isInRing = true
  let views: [View]
  var samples: [Sample]
}

/// A batch that was copied out of a ring, whose bytes were found to match their checksum.
struct CopiedBatch {
  private let snapshot: RingObserver.Snapshot
  private let geometry: RingGeometry

  init(_ snapshot: RingObserver.Snapshot, geometry: RingGeometry) {
    self.snapshot = snapshot
    self.geometry = geometry
  }

  /// Arrays of `view0`, `view1` and so on, which are height x width x 3 for each sample.
  private var views: [(index: Int, width: Int, height: Int, offset: Int)] {
    zip(geometry.fields, geometry.fieldOffsets).compactMap { field, offset in
      guard field.name.hasPrefix("view"), let index = Int(field.name.dropFirst(4)), field.type == .uint8,
        field.shape.count == 4, field.shape[3] == 3
      else { return nil }
      return (index, field.shape[2], field.shape[1], offset)
    }
  }

  /// The batch with its first `limit` samples.
  ///
  /// - Parameters:
  ///   - styleColumns: the views that have style columns, with what their names end in.
  ///   - address: of the picture of a view of the sample at a position.
  func shown(
    limit: Int, styleColumns: [(view: Int, suffix: String)], address: (_ position: Int, _ view: Int) -> String
  ) -> ShownBatch {
    let views = views
    let drawn = drawnColumns
    // The entry of a slot is not covered by the checksum.
    let count = min(snapshot.count, geometry.batchSize)
    let samples = (0..<min(count, limit)).map { position in
      ShownBatch.Sample(
        position: position, sampleId: integer("sample_ids", at: position), label: integer("labels", at: position),
        styles: styleColumns.map { view, suffix in
          ShownBatch.Style(
            view: view, applied: flag("applied\(suffix)", at: position),
            styleId: integer("style_ids\(suffix)", at: position), alpha: real("alpha\(suffix)", at: position),
            beta: real("beta\(suffix)", at: position))
        },
        drawn: drawn.isEmpty ? nil : DrawnValue.views(of: drawn, at: position),
        pictures: views.map { address(position, $0.index) })
    }
    return ShownBatch(
      batch: snapshot.number, epoch: snapshot.epoch, step: snapshot.step, count: count,
      views: views.map { ShownBatch.View(view: $0.index, width: $0.width, height: $0.height) }, samples: samples)
  }

  /// The pictures of every view of the first `limit` samples as JPEG files, by position and view.
  ///
  /// - Throws: `ImagingError` where there is no memory.
  func pictures(limit: Int) throws(ImagingError) -> [[Int: [UInt8]]] {
    let count = min(snapshot.count, geometry.batchSize, limit)
    var pictures = [[Int: [UInt8]]](repeating: [:], count: count)
    for view in views {
      let image = RGBImage(width: view.width, height: view.height)
      defer { withExtendedLifetime(image) {} }
      for position in 0..<count {
        let start = view.offset + position * image.pixels.byteCount
        _ = image.pixels.bytes.update(fromContentsOf: snapshot.payload[start..<start + image.pixels.byteCount])
        pictures[position][view.index] = try JPEGFile.encode(image.pixels)
      }
    }
    return pictures
  }

  /// The columns of what was drawn (`view0_crop`), as the index has them too.
  private var drawnColumns: [DrawnNumbers] {
    zip(geometry.fields, geometry.fieldOffsets).compactMap { field, offset in
      guard field.name.hasPrefix("view"), let bar = field.name.firstIndex(of: "_"),
        let view = Int(field.name[..<bar].dropFirst(4)), let type = Self.names[field.type]
      else { return nil }
      return DrawnNumbers(
        view: view, name: String(field.name[field.name.index(after: bar)...]), type: type,
        length: field.shape.count > 1 ? field.shape[1] : nil,
        bytes: Array(snapshot.payload[offset..<offset + field.byteCount]))
    }
  }

  /// What the types of numbers are called in the index.
  private static let names: [RingField.ElementType: String] = [
    .bool8: "bool", .int32: "int32", .int64: "int64", .float32: "float32",
  ]

  private func value<Raw: BitwiseCopyable>(_ name: String, at position: Int, otherwise: Raw) -> Raw {
    guard let index = geometry.fields.firstIndex(where: { $0.name == name }),
      geometry.fields[index].type.byteCount == MemoryLayout<Raw>.size, position < geometry.fields[index].count
    else { return otherwise }
    let offset = geometry.fieldOffsets[index] + position * MemoryLayout<Raw>.size
    return snapshot.payload.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: Raw.self) }
  }

  private func integer(_ name: String, at position: Int) -> Int64 { value(name, at: position, otherwise: -1) }
  private func flag(_ name: String, at position: Int) -> Bool { value(name, at: position, otherwise: UInt8(0)) != 0 }
  private func real(_ name: String, at position: Int) -> DrawnValue {
    .real(value(name, at: position, otherwise: Float(0)))
  }
}
