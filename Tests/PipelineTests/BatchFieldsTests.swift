import Augmentation
import BatchRing
import Foundation
import Pipeline
import Testing

@Suite("The arrays of a batch")
struct BatchFieldsTests {
  /// The rows of the table in docs/ring-format.md: name, element type, shape.
  private static func documented() throws -> [[String]] {
    let page = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../docs/ring-format.md")
    let lines = try String(contentsOf: page, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false)
    let table = lines.drop { !$0.hasPrefix("| array |") }.dropFirst(2).prefix { $0.hasPrefix("| ") }
    return table.map { line in
      line.split(separator: "|").prefix(3).map { $0.trimmingCharacters(in: CharacterSet(charactersIn: " `")) }
    }
  }

  @Test("are those that the documents list, by name, type and shape")
  func documentation() throws {
    let recipes = [32, 48].map { ViewRecipe(RandomResizedCrop(side: $0), [StyleTransferStep()]) }
    let written = BatchFields.all(for: recipes, count: 6).map { field in
      // As the table spells them.
      let shape = field.shape.map { $0 == 6 ? "[batch]" : $0 == 3 ? "[3]" : "[side]" }.joined()
      return [field.name, field.type == .bool8 ? "bool" : "\(field.type)", shape]
    }
    #expect(try Self.documented() == written)
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
