/// Scratch memory of the operations in this module. A worker keeps one for life; it grows with the largest picture and is then
/// never allocated again. Not `Sendable`: one workspace, one worker.
public final class PixelWorkspace {
  /// Rows between the two passes of resampling.
  var intermediate = ScratchMemory<UInt8>()
  /// One row with its reflected ends, or one whose successor must not be touched.
  var paddedRow = ScratchMemory<UInt8>()
  /// The rows that the vertical half of a blur still needs.
  var blurredRows = ScratchMemory<Int16>()
  /// Where those rows are, in order.
  var rowPointers = ScratchMemory<UnsafePointer<Int16>?>()
  var horizontal = ResamplingAxis()
  var vertical = ResamplingAxis()

  /// An empty workspace; memory comes with the first operation that needs it.
  public init() {}

  deinit {
    intermediate.deallocate()
    paddedRow.deallocate()
    blurredRows.deallocate()
    rowPointers.deallocate()
    horizontal.deallocate()
    vertical.deallocate()
  }
}

/// Memory for trivial values that only ever grows.
struct ScratchMemory<Element: BitwiseCopyable> {
  private var memory: UnsafeMutablePointer<Element>?
  private var capacity = 0

  /// Memory for at least `count` elements, undefined content; valid until the next call.
  mutating func reserve(_ count: Int) -> UnsafeMutablePointer<Element> {
    if let memory, count <= capacity { return memory }
    memory?.deallocate()
    let grown = UnsafeMutablePointer<Element>.allocate(capacity: max(count, 1))
    memory = grown
    capacity = max(count, 1)
    return grown
  }

  func deallocate() { memory?.deallocate() }
}
