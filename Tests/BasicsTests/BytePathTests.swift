import Basics
import Testing

@Suite("A byte path")
struct BytePathTests {
  @Test("is described on one line, whatever its bytes")
  func description() {
    #expect(BytePath("plain/ünï.jpg").description == "plain/ünï.jpg")
    #expect(BytePath("a\nb\tc\\").description == "a\\nb\\tc\\\\")
    #expect(BytePath([0x61, 0xFF, 0xC3, 0x28, 0x1B]).description == "a\\xFF\\xC3(\\x1B")
    #expect(BytePath([0xE2, 0x80, 0xAE, 0x62]).description == "\\xE2\\x80\\xAEb")
    #expect(BytePath([0xF0, 0x9F, 0x8E, 0xA8]).description == "🎨")
    #expect(BytePath([0xF0, 0x9F, 0x8E]).description == "\\xF0\\x9F\\x8E")
  }

  @Test("joins and splits like the kernel")
  func components() {
    #expect(BytePath("a").appending("b") == "a/b")
    #expect(BytePath("a/").appending("b") == "a/b")
    #expect(BytePath("a").appending("/b") == "/b")
    #expect(BytePath("a").appending("") == "a")
    #expect(BytePath("").appending("b") == "b")
    #expect(BytePath("a/b").directory == "a")
    #expect(BytePath("/b").directory == "/")
    #expect(BytePath("b").directory == ".")
  }
}
