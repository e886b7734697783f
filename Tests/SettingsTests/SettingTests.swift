import Settings
import Testing

@Suite("A setting")
struct SettingTests {
  private struct Part: Equatable {
    var count = 1
    var range = 0.25...0.5
  }
  private struct Whole: Equatable {
    var part = Part()
  }

  private static let count = Setting<Part>.integer("count", \.count, in: 0...9, words: "how many")
  private static let range = Setting<Part>.interval("range", \.range, in: 0...1, words: "from where to where")

  @Test("takes what lies in its range, says what it accepts, and leaves all as it is otherwise")
  func assigning() {
    var part = Part()
    #expect(Self.count.assign(.integer(7), &part))
    #expect(part == Part(count: 7))
    for refused: SettingValue in [.integer(10), .integer(-1), .number(3), .string("3"), .boolean(true), .list([])] {
      #expect(!Self.count.assign(refused, &part))
    }
    #expect(part == Part(count: 7))
    #expect(Self.count.accepted == "a whole number from 0 to 9")
    #expect(Self.range.assign(.list([.integer(0), .number(0.125)]), &part))
    #expect(part.range == 0...0.125)
    #expect(!Self.range.assign(.list([.number(0.5), .number(0.25)]), &part))
  }

  @Test("of a part is the same setting of the whole")
  func within() {
    let setting = Self.range.within(\Whole.part)
    var whole = Whole()
    #expect(setting.value(whole)?.toml == "[0.25, 0.5]")
    #expect(setting.assign(.list([.number(0), .number(1)]), &whole))
    #expect(whole == Whole(part: Part(range: 0...1)))
    #expect(!setting.assign(.list([.number(0), .number(2)]), &whole))
    #expect(
      [setting.name, setting.accepted, setting.words] == [Self.range.name, Self.range.accepted, Self.range.words])
  }
}
