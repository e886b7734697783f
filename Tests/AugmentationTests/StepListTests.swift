import Augmentation
import Foundation
import KeyedRandom
import Settings
import Testing

@Suite("The list of steps")
struct StepListTests {
  @Test("gives every random number a purpose of its own, and old ones their old numbers")
  func purposes() {
    let ofSteps = AugmentationSteps.all.flatMap { $0.purposes }
    let all = [DrawPurpose.epochOrder, .replacement] + RandomResizedCrop.purposes + ofSteps
    #expect(Set(all).count == all.count)
    // A stream recorded today must be reproducible by every later version.
    let first: [UInt16] = [1, 2, 16, 17, 18, 19, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 64, 65, 66, 67, 68, 69]
    #expect(Set(first).isSubset(of: all.map(\.rawValue)))
  }

  @Test("has steps whose keys begin with their names, each key once, with words for it")
  func keys() {
    func check<Step: AugmentationStep>(_ step: Step.Type) {
      #expect(Step.settings.first?.name == (Step.section == nil ? "\(Step.name)_probability" : "probability"))
      #expect(Step.settings.allSatisfy { !$0.words.isEmpty })
      if Step.section == nil { #expect(Step.settings.allSatisfy { $0.name.hasPrefix(Step.name + "_") }) }
      // Never, unless somebody says otherwise, and usable as it is.
      #expect(Step(side: 224).probability == 0)
      #expect(Step(side: 224).problems(side: 224).isEmpty)
      #expect(Step.columns.allSatisfy { $0.name.hasPrefix(Step.name + "_") && !$0.words.isEmpty })
    }
    for step in AugmentationSteps.all { check(step) }
    let keys = ViewRecipe.settings.map(\.name)
    #expect(Set(keys).count == keys.count)
    #expect(Set(AugmentationSteps.names).count == AugmentationSteps.names.count)
    let columns = DrawnColumns.all.map(\.column.name)
    #expect(Set(columns).count == columns.count)
    #expect(AugmentationSteps.names.allSatisfy { columns.contains($0) })
    // What the ring's field table has room for, with the longest view's name before it.
    #expect(columns.allSatisfy { "view15_\($0)".utf8.count <= 31 })
  }

  @Test("each value of each step is part of what tells streams apart")
  func values() throws {
    let numbers: [SettingValue] = [
      .integer(7), .number(0.37), .list([.number(0.37), .number(0.39)]), .string("bicubic"),
    ]
    for setting in ViewRecipe.settings {
      // A step that never happens has no part in the stream.
      var before = ViewRecipe(RandomResizedCrop(side: 32))
      for other in ViewRecipe.settings where other.name.hasSuffix("_probability") {
        #expect(other.assign(.number(0.5), &before))
      }
      var after = before
      #expect(numbers.contains { setting.assign($0, &after) }, "no value for \(setting.name)")
      let changed = Dictionary(uniqueKeysWithValues: before.values.map { ($0.key, $0.value) })
      #expect(after.values.filter { changed[$0.key] != $0.value }.map(\.key) == [setting.name])
    }
  }
}
