import Augmentation
import Foundation
import Imaging
import Testing

/// How torchvision draws crops of one picture size: means and standard deviations over many draws.
struct CropStatistics: Decodable, CustomTestStringConvertible, Sendable {
  let width: Int
  let height: Int
  let smallestArea: Double
  let largestArea: Double
  let draws: Int
  let area: [Double]
  let logAspect: [Double]
  let left: [Double]
  let top: [Double]

  var testDescription: String { "\(width) x \(height), area \(smallestArea) to \(largestArea)" }

  static let all: [CropStatistics] = {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Golden/crops.json")
    do {
      return try JSONDecoder().decode([CropStatistics].self, from: Data(contentsOf: file))
    } catch {
      fatalError("the golden files are part of the checkout: \(error)")
    }
  }()
}

@Suite("Random resized crops")
struct CropTests {
  private func crops(of statistics: CropStatistics, count: Int) -> [CropRectangle] {
    let recipe = ViewRecipe(RandomResizedCrop(side: 32, area: statistics.smallestArea...statistics.largestArea))
    return (0..<count).map { sample in
      ViewDraws(recipe: recipe, seed: 5, epoch: 0, sample: UInt64(sample), view: 1)
        .crop(ofWidth: statistics.width, height: statistics.height)
    }
  }

  @Test("are distributed like torchvision's", arguments: CropStatistics.all)
  func distribution(statistics: CropStatistics) {
    let count = 20_000
    let crops = crops(of: statistics, count: count)
    func compare(_ name: String, _ expected: [Double], _ measure: (CropRectangle) -> Double) {
      let values = crops.map(measure)
      let mean = values.reduce(0, +) / Double(count)
      let deviation = (values.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / Double(count)).squareRoot()
      // Four standard errors of the difference of two means; a deviation is known about as well as its mean.
      let tolerance = 4 * expected[1] * (1 / Double(count) + 1 / Double(statistics.draws)).squareRoot() + 1e-9
      #expect(abs(mean - expected[0]) <= tolerance, "mean of \(name): \(mean) instead of \(expected[0])")
      #expect(abs(deviation - expected[1]) <= tolerance, "deviation of \(name): \(deviation) instead of \(expected[1])")
    }
    compare("area", statistics.area) { Double($0.width * $0.height) / Double(statistics.width * statistics.height) }
    compare("logarithmic aspect", statistics.logAspect) { log(Double($0.width) / Double($0.height)) }
    compare("left edge", statistics.left) { Double($0.x) / Double(statistics.width) }
    compare("top edge", statistics.top) { Double($0.y) / Double(statistics.height) }
  }

  @Test("lie inside the picture, however small or long it is")
  func insidePicture() {
    let recipe = ViewRecipe(RandomResizedCrop(side: 32, area: 0.08...1))
    for width in Array(1...12) + [1, 1000, 3000] {
      for height in Array(1...12) + [1, 1000, 3000] {
        for sample in 0..<20 {
          let crop = ViewDraws(recipe: recipe, seed: 1, epoch: 0, sample: UInt64(sample), view: 0)
            .crop(ofWidth: width, height: height)
          #expect(crop.width >= 1 && crop.height >= 1 && crop.x >= 0 && crop.y >= 0)
          #expect(crop.x + crop.width <= width && crop.y + crop.height <= height)
        }
      }
    }
  }

  @Test("fall back to the largest allowed central crop")
  func fallback() {
    let recipe = ViewRecipe(RandomResizedCrop(side: 32, area: 0.9...1))
    func crop(_ width: Int, _ height: Int) -> CropRectangle {
      ViewDraws(recipe: recipe, seed: 1, epoch: 0, sample: 0, view: 0).crop(ofWidth: width, height: height)
    }
    #expect(crop(1000, 30) == CropRectangle(x: 480, y: 0, width: 40, height: 30))
    #expect(crop(30, 1000) == CropRectangle(x: 0, y: 480, width: 30, height: 40))
  }
}
