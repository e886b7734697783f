import Augmentation
import BatchRing

/// Memory for one batch outside any ring, for commands that make batches without a daemon.
package final class PrivateBatch {
  /// The arrays, laid out as in a ring's slot.
  package let memory: BatchMemory
  /// The same as bytes, in the order of `BatchFields.all(for:count:)`; valid as long as the batch is.
  package let arrays: [UnsafeMutableRawBufferPointer]

  /// Memory for `count` samples made by `recipes`.
  package init(recipes: [ViewRecipe], count: Int) {
    arrays = BatchFields.all(for: recipes, count: count).map { field in
      UnsafeMutableRawBufferPointer.allocate(byteCount: field.byteCount, alignment: 64)
    }
    memory = BatchMemory(views: recipes.count, at: arrays.map { $0.baseAddress! })
  }

  deinit { for array in arrays { array.deallocate() } }
}
