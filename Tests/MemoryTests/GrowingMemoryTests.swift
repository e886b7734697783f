import Memory
import Testing

@Suite("Growing memory")
struct GrowingMemoryTests {
  @Test("what is refused is an error that says how much, and what was reserved before stays")
  func refusal() throws {
    var memory = GrowingMemory<Int32>()
    let before = try memory.reserve(1000)
    before.initialize(repeating: 7, count: 1000)
    // More than any address space, and more than any number of bytes.
    for (count, bytes) in [(1 << 58, 1 << 60), (1 << 62, Int.max)] {
      do throws(MemoryRefused) {
        _ = try memory.reserve(count)
        Issue.record("\(count) elements were granted")
      } catch {
        #expect(error.bytes == bytes)
      }
    }
    let after = try memory.reserve(1000)
    #expect(after == before)
    #expect(UnsafeBufferPointer(start: after, count: 1000).allSatisfy { $0 == 7 })
  }

  @Test("memory is kept when less is asked for, and can be asked for nothing")
  func reuse() throws {
    var memory = GrowingMemory<UInt8>()
    _ = try memory.reserve(0)
    let large = try memory.reserve(1 << 20)
    #expect(try memory.reserve(1) == large)
    #expect(memory.demand(1 << 20) == large)
  }
}
