import Augmentation
import BatchRing

/// Memory for one batch outside any ring, for commands that make batches without a daemon.
package final class PrivateBatch {
  /// The arrays, laid out as in a ring's slot.
  package let memory: BatchMemory
  /// The same as bytes, in the order of `BatchFields.all(for:count:drawn:)`; valid as long as the batch is.
  package let arrays: [UnsafeMutableRawBufferPointer]

  /// Memory for `count` samples made by `recipes`, with or without the columns of what was drawn.
  package init(recipes: [ViewRecipe], count: Int, drawn: Bool = false) {
    arrays = BatchFields.all(for: recipes, count: count, drawn: drawn).map { field in
      UnsafeMutableRawBufferPointer.allocate(byteCount: field.byteCount, alignment: 64)
    }
    memory = BatchMemory(for: recipes, at: arrays.map { $0.baseAddress! })
  }

  deinit { for array in arrays { array.deallocate() } }
}
