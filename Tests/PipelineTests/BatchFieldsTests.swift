import Augmentation
import BatchRing
import Foundation
import Pipeline
import Testing

@Suite("The arrays of a batch")
struct BatchFieldsTests {
  /// The rows of a table in docs/ring-format.md, which begins with this heading.
  private static func documented(_ heading: String) throws -> [[String]] {
    let page = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../docs/ring-format.md")
    let lines = try String(contentsOf: page, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false)
    let table = lines.drop { !$0.hasPrefix("| \(heading) |") }.dropFirst(2).prefix { $0.hasPrefix("| ") }
    return table.map { line in
      line.split(separator: "|").map { $0.trimmingCharacters(in: CharacterSet(charactersIn: " `")) }
    }
  }

  /// Name, element type and shape, as the tables spell them.
  private static func spelt(_ field: RingField) -> [String] {
    let shape = field.shape.enumerated().map { axis, length in
      axis == 0 ? "[batch]" : [32, 48].contains(length) ? "[side]" : "[\(length)]"
    }
    return [field.name, field.type == .bool8 ? "bool" : "\(field.type)", shape.joined()]
  }

  @Test("are those that the documents list, by name, type and shape")
  func documentation() throws {
    let recipes = [32, 48].map { ViewRecipe(RandomResizedCrop(side: $0), [StyleTransferStep()]) }
    let written = BatchFields.all(for: recipes, count: 6).map(Self.spelt)
    #expect(try Self.documented("array").map { Array($0.prefix(3)) } == written)
  }

  @Test("have, where they are wanted, the columns of what was drawn that the documents list, for every view")
  func drawnColumns() throws {
    let recipes = [32, 48].map { ViewRecipe(RandomResizedCrop(side: $0)) }
    let plain = BatchFields.all(for: recipes, count: 6)
    let all = BatchFields.all(for: recipes, count: 6, drawn: true)
    #expect(Array(all.prefix(plain.count)) == plain)
    let listed = try Self.documented("column")
    #expect(
      all.dropFirst(plain.count).map(Self.spelt)
        == (0...1).flatMap { view in listed.map { ["view\(view)_" + $0[0], $0[1], $0[2]] } })
    #expect(DrawnColumns.all.map(\.column.words) == listed.map { $0[3] })
  }

  @Test("have style columns with plain names also where only a later view, or none, is stylized")
  func plainNames() {
    let plain = ViewRecipe(RandomResizedCrop(side: 32))
    let styled = ViewRecipe(RandomResizedCrop(side: 32), [StyleTransferStep()])
    for recipes in [[plain, plain], [plain, styled], [styled, plain]] {
      let names = BatchFields.all(for: recipes, count: 1).map(\.name)
      #expect(names == ["view0", "view1", "labels", "sample_ids", "style_ids", "applied", "alpha", "beta"])
    }
    let alone = BatchFields.all(for: [plain], count: 1).map(\.name)
    #expect(alone == ["view0", "labels", "sample_ids", "style_ids", "applied", "alpha", "beta"])
  }
}
