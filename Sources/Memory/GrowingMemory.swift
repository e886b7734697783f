import Glibc

/// The system refused memory.
package struct MemoryRefused: Error, Equatable, Sendable {
  /// How much was asked for.
  package let bytes: Int
}

/// Memory for trivial values that only ever grows, and that the system may refuse.
///
/// Swift's own allocators end the process when there is no memory. That is right for the small things, without which nothing can go on
/// anyway, and wrong for a picture of a hundred megabytes, which can wait until there is room. For example:
///
/// ```swift
/// var samples = GrowingMemory<UInt8>()
/// let pixels = try samples.reserve(width * height * 3)
/// ```
package struct GrowingMemory<Element: BitwiseCopyable>: ~Copyable {
  private var memory: UnsafeMutablePointer<Element>?
  private var capacity = 0

  /// No memory yet.
  package init() {}

  deinit { free(memory) }

  /// Memory for at least `count` elements, undefined content; valid until the next call.
  ///
  /// - Throws: `MemoryRefused`; what was reserved before then stays, content and all.
  package mutating func reserve(_ count: Int) throws(MemoryRefused) -> UnsafeMutablePointer<Element> {
    if let memory, count <= capacity { return memory }
    let (bytes, isImpossible) = count.multipliedReportingOverflow(by: MemoryLayout<Element>.stride)
    guard !isImpossible, let grown = malloc(max(bytes, 1)) else {
      throw MemoryRefused(bytes: isImpossible ? .max : bytes)
    }
    free(memory)
    let elements = grown.bindMemory(to: Element.self, capacity: count)
    memory = elements
    capacity = count
    return elements
  }

  /// As `reserve`, for sizes so small that nothing can go on where they are refused: it then ends the process.
  package mutating func demand(_ count: Int) -> UnsafeMutablePointer<Element> {
    do throws(MemoryRefused) {
      return try reserve(count)
    } catch {
      fatalError("no memory for \(error.bytes) bytes")
    }
  }
}
