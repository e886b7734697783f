import Augmentation
import BatchRing
import Imaging

/// The columns that say which style a view got; one set for each view that may be stylized.
package struct StyleColumns {
  /// Sample or style number of the style, -1 where none was applied.
  package let styleIDs: UnsafeMutablePointer<Int64>
  /// 1 where the view was stylized.
  package let applied: UnsafeMutablePointer<UInt8>
  /// How far the embedding moved towards the style's, 0 where none was applied.
  package let alpha: UnsafeMutablePointer<Float>
  /// How much of the stylized picture was mixed in, 0 where none was applied.
  package let beta: UnsafeMutablePointer<Float>
}

/// Where one batch is written: a slot of the ring, or memory of a command's own.
///
/// Each sample's entries are written by the one worker that has its ticket, so no lock is needed.
package struct BatchMemory: @unchecked Sendable {
  /// One run of `[count][side][side][3]` bytes for each view.
  package let views: [UnsafeMutablePointer<UInt8>]
  /// Label of each sample, -1 for none.
  package let labels: UnsafeMutablePointer<Int64>
  /// Number of each sample in the catalog: the one that is shown, which may be a replacement.
  package let sampleIDs: UnsafeMutablePointer<Int64>
  /// One entry for each view that may be stylized.
  package let styles: [StyleColumns]

  /// The picture of one sample in one view.
  package func picture(view: Int, position: Int, side: Int) -> PixelBuffer {
    PixelBuffer(base: views[view] + position * side * side * 3, width: side, height: side)
  }
}

/// The arrays that batches consist of.
package enum BatchFields {
  /// Every array of a batch of `count` samples made by `recipes`, in their order in memory: the views, then the columns.
  ///
  /// The style columns of the first styled view have plain names (`alpha`); those of any other end in the view's number
  /// (`alpha_view1`).
  package static func all(for recipes: [ViewRecipe], count: Int) -> [RingField] {
    var fields = recipes.enumerated().map { index, recipe in
      RingField(name: "view\(index)", type: .uint8, shape: [count, recipe.side, recipe.side, 3])
    }
    fields.append(RingField(name: "labels", type: .int64, shape: [count]))
    fields.append(RingField(name: "sample_ids", type: .int64, shape: [count]))
    let styled = recipes.indices.filter { recipes[$0].style != nil }
    // Readers find the style columns in every batch, also where no view is ever stylized.
    for (order, view) in (styled.isEmpty ? [0] : styled).enumerated() {
      let suffix = order == 0 ? "" : "_view\(view)"
      fields.append(RingField(name: "style_ids\(suffix)", type: .int64, shape: [count]))
      fields.append(RingField(name: "applied\(suffix)", type: .bool8, shape: [count]))
      fields.append(RingField(name: "alpha\(suffix)", type: .float32, shape: [count]))
      fields.append(RingField(name: "beta\(suffix)", type: .float32, shape: [count]))
    }
    return fields
  }
}

extension BatchMemory {
  /// The memory of a batch whose arrays begin at `pointers`, in the order of `BatchFields.all(for:count:)`.
  package init(views viewCount: Int, at pointers: [UnsafeMutableRawPointer]) {
    views = pointers[..<viewCount].map { $0.assumingMemoryBound(to: UInt8.self) }
    labels = pointers[viewCount].assumingMemoryBound(to: Int64.self)
    sampleIDs = pointers[viewCount + 1].assumingMemoryBound(to: Int64.self)
    styles = stride(from: viewCount + 2, to: pointers.count, by: 4).map { first in
      StyleColumns(
        styleIDs: pointers[first].assumingMemoryBound(to: Int64.self),
        applied: pointers[first + 1].assumingMemoryBound(to: UInt8.self),
        alpha: pointers[first + 2].assumingMemoryBound(to: Float.self),
        beta: pointers[first + 3].assumingMemoryBound(to: Float.self))
    }
  }
}
