import Augmentation
import BatchRing

/// Memory for one batch outside any ring, for commands that make batches without a daemon.
package final class PrivateBatch {
  /// The arrays, laid out as in a ring's slot.
  package let memory: BatchMemory
  private let arrays: [UnsafeMutableRawPointer]

  /// Memory for `count` samples made by `recipes`.
  package init(recipes: [ViewRecipe], count: Int) {
    arrays = BatchFields.all(for: recipes, count: count).map { field in
      UnsafeMutableRawPointer.allocate(byteCount: field.byteCount, alignment: 64)
    }
    memory = BatchMemory(views: recipes.count, at: arrays)
  }

  deinit { for array in arrays { array.deallocate() } }
}
