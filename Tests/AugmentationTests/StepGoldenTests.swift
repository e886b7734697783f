import Augmentation
import Foundation
import Imaging
import Settings
import Testing

/// What torchvision makes of a picture by one step, with numbers drawn independently of this program.
struct StepGolden: Decodable, CustomTestStringConvertible, Sendable {
  let width: Int
  let height: Int
  let offset: Int
  let source: String
  var step: String?
  var settings: [String: Value]?
  var sample: UInt64?
  var tolerance: Int?

  /// A number or an interval.
  enum Value: Decodable, Sendable {
    case number(Double)
    case interval([Double])

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if let number = try? container.decode(Double.self) {
        self = .number(number)
      } else {
        self = .interval(try container.decode([Double].self))
      }
    }

    /// As a configuration would have it: whole numbers may be meant as such.
    var candidates: [SettingValue] {
      switch self {
      case .number(let number): [.number(number), .integer(Int64(number))]
      case .interval(let bounds): [.list(bounds.map { .number($0) })]
      }
    }
  }

  var testDescription: String { "\(step ?? "source") of \(source), sample \(sample ?? 0)" }

  static let all: [StepGolden] = {
    do {
      return try JSONDecoder().decode([StepGolden].self, from: contents(of: "steps.json"))
    } catch {
      fatalError("the golden files are part of the checkout: \(error)")
    }
  }()

  private static let pixels = try! [UInt8](contents(of: "steps.bin"))

  private static func contents(of file: String) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Golden/\(file)"))
  }

  /// The pixels of this entry, in a picture of their own.
  func image() -> RGBImage {
    let image = RGBImage(width: width, height: height)
    _ = image.pixels.bytes.update(fromContentsOf: Self.pixels[offset..<(offset + width * height * 3)])
    return image
  }
}

@Suite("Each step, from its settings to its pixels, does what torchvision does")
struct StepGoldenTests {
  @Test("and no step is without a golden case")
  func complete() {
    // Style transfer changes pixels by the networks, which have goldens of their own.
    let expected = AugmentationSteps.names.filter { $0 != StyleTransferStep.name }
    #expect(Set(StepGolden.all.compactMap(\.step)) == Set(expected))
  }

  @Test("for the same draws", arguments: StepGolden.all.filter { $0.step != nil })
  func matches(golden: StepGolden) throws {
    var recipe = ViewRecipe(RandomResizedCrop(side: golden.width))
    for (key, value) in try #require(golden.settings) {
      let setting = try #require(ViewRecipe.settings.first { $0.name == key })
      #expect(value.candidates.contains { setting.assign($0, &recipe) }, "\(key)")
    }
    let draws = ViewDraws(recipe: recipe, seed: 1, epoch: 0, sample: try #require(golden.sample), view: 0)
    #expect(draws.operationsBeforeStyle.count + draws.operationsAfterStyle.count == 1)
    let image = try #require(StepGolden.all.first { $0.step == nil && $0.source == golden.source }).image()
    let workspace = PixelWorkspace()
    for operation in draws.operationsBeforeStyle + draws.operationsAfterStyle {
      operation.apply(to: image.pixels, workspace: workspace)
    }
    let expected = golden.image()
    // Their pixels do not keep them alive.
    let largest = withExtendedLifetime((image, expected)) {
      zip(image.pixels.bytes, expected.pixels.bytes).map { abs(Int($0) - Int($1)) }.max()!
    }
    #expect(largest <= golden.tolerance ?? 0)
  }
}
