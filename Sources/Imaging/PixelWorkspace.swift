import Memory

/// Scratch memory of the operations in this module. A worker keeps one for life; it grows with the largest picture and is then
/// never allocated again. Not `Sendable`: one workspace, one worker.
package final class PixelWorkspace {
  /// Rows between the two passes of resampling.
  var intermediate = GrowingMemory<UInt8>()
  /// One row with its reflected ends, or one whose successor must not be touched.
  var paddedRow = GrowingMemory<UInt8>()
  /// The rows that the vertical half of a blur still needs.
  var blurredRows = GrowingMemory<Int16>()
  /// Where those rows are, in order.
  var rowPointers = GrowingMemory<UnsafePointer<Int16>?>()
  var horizontal = ResamplingAxis()
  var vertical = ResamplingAxis()

  /// An empty workspace; memory comes with the first operation that needs it.
  package init() {}
}
