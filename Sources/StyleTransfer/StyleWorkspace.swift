import FoundationEssentials
import Glibc

/// The scratch memory of one worker. It grows to what the largest picture so far needed and is then used again for every
/// picture, so that a steady stream allocates nothing.
///
/// A workspace serves any model, one call at a time; give every thread its own.
package final class StyleWorkspace {
  /// What an engine keeps between the layers of one picture.
  package let layers = ScratchMemory()
  /// The stylized picture, when the caller wants it blended rather than handed over.
  package let picture = ScratchMemory()

  /// An empty workspace; memory is reserved by the first picture.
  package init() {}

  /// The bytes held at present.
  package var byteCount: Int { layers.byteCount + picture.byteCount }
}

/// One block of memory that only grows. The contents are unspecified after every ``reserve(floats:)``.
package final class ScratchMemory {
  /// A cache line, and the width of the widest vector register.
  package static let alignment = 64

  private static let hugePage = 2 << 20

  private var base: UnsafeMutableRawPointer?
  /// The size of the block.
  package private(set) var byteCount = 0

  /// An empty block.
  package init() {}

  deinit { base?.deallocate() }

  /// Memory for at least `count` floats, aligned to ``alignment``, valid until the next call.
  package func reserve(floats count: Int) -> UnsafeMutablePointer<Float> {
    reserve(bytes: count * MemoryLayout<Float>.stride).assumingMemoryBound(to: Float.self)
  }

  /// Memory for at least `count` bytes, aligned to ``alignment``, valid until the next call.
  package func reserve(bytes count: Int) -> UnsafeMutableRawPointer {
    if let base, count <= byteCount { return base }
    base?.deallocate()
    // A transform walks a hundred planes at once, more than the processor keeps small pages' addresses for.
    let isLarge = count >= Self.hugePage
    let alignment = isLarge ? Self.hugePage : Self.alignment
    let size = max((count + alignment - 1) / alignment * alignment, alignment)
    let grown = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: alignment)
    // Only advice: where it is not taken, small pages do.
    if isLarge { _ = madvise(grown, size, MADV_HUGEPAGE) }
    base = grown
    byteCount = size
    return grown
  }
}
