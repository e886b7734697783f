import Augmentation
import BatchRing
import Imaging

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
  /// For each view, the columns of what was drawn for it, in the order of `DrawnColumns.all`; empty where nobody wants them.
  package let drawn: [[UnsafeMutableRawPointer]]

  /// The picture of one sample in one view.
  package func picture(view: Int, position: Int, side: Int) -> PixelBuffer {
    PixelBuffer(base: views[view] + position * side * side * 3, width: side, height: side)
  }
}

extension BatchMemory {
  /// The memory of a batch whose arrays begin at `pointers`, in the order of `BatchFields.all(for:count:drawn:)`.
  package init(for recipes: [ViewRecipe], at pointers: [UnsafeMutableRawPointer]) {
    let viewCount = recipes.count
    let firstDrawn = viewCount + 2 + 4 * BatchFields.styled(recipes).count
    views = pointers[..<viewCount].map { $0.assumingMemoryBound(to: UInt8.self) }
    labels = pointers[viewCount].assumingMemoryBound(to: Int64.self)
    sampleIDs = pointers[viewCount + 1].assumingMemoryBound(to: Int64.self)
    drawn = stride(from: firstDrawn, to: pointers.count, by: DrawnColumns.all.count).map {
      Array(pointers[$0..<$0 + DrawnColumns.all.count])
    }
    styles = stride(from: viewCount + 2, to: firstDrawn, by: 4).map { first in
      StyleColumns(
        styleIDs: pointers[first].assumingMemoryBound(to: Int64.self),
        applied: pointers[first + 1].assumingMemoryBound(to: UInt8.self),
        alpha: pointers[first + 2].assumingMemoryBound(to: Float.self),
        beta: pointers[first + 3].assumingMemoryBound(to: Float.self))
    }
  }
}
