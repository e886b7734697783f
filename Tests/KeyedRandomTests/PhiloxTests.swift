import KeyedRandom
import Testing

@Suite("Philox4x32-10")
struct PhiloxTests {
  /// The lines `philox4x32 10` of `kat_vectors`, published with Random123 by the authors of the paper.
  static let knownAnswers: [(counter: Philox.Block, key: UInt64, answer: Philox.Block)] = [
    (
      Philox.Block(0, 0, 0, 0), 0,
      Philox.Block(0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8)
    ),
    (
      Philox.Block(0xFFFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFFF), 0xFFFF_FFFF_FFFF_FFFF,
      Philox.Block(0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD)
    ),
    (
      Philox.Block(0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344), 0x299F_31D0_A409_3822,
      Philox.Block(0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1)
    ),
  ]

  @Test("gives the published answers", arguments: knownAnswers)
  func knownAnswer(counter: Philox.Block, key: UInt64, answer: Philox.Block) {
    #expect(Philox.block(at: counter, key: key) == answer)
  }
}
