import FoundationEssentials
import Glibc
import Imaging
import KeyedRandom
import Settings

/// The step that every view begins with: a random part of the picture, resampled to the view's size. torchvision's `RandomResizedCrop`.
package struct RandomResizedCrop: Sendable, Equatable {
  /// Width and height of the view in pixels; a multiple of 4, at least 8, where style is transferred.
  package var side: Int
  /// The part of the image's area that the crop covers, in (0, 1].
  package var area: ClosedRange<Double>
  /// Width divided by height of the crop, drawn uniformly on a logarithmic scale.
  package var aspect: ClosedRange<Double>
  /// How the crop is resampled to the view's size.
  package var filter: ResamplingFilter

  /// A crop, by default with torchvision's values.
  package init(
    side: Int, area: ClosedRange<Double> = 0.08...1, aspect: ClosedRange<Double> = (3.0 / 4)...(4.0 / 3),
    filter: ResamplingFilter = .bilinear
  ) {
    self.side = side
    self.area = area
    self.aspect = aspect
    self.filter = filter
  }

  /// Its keys.
  package static let settings: [Setting<RandomResizedCrop>] = [
    .integer("side", \.side, in: 4...4096, words: "width and height in pixels"),
    .interval("crop_scale", \.area, in: 0.0001...1, words: "the part of the image's area that the crop covers"),
    .interval("crop_aspect", \.aspect, in: 0.01...100, words: "width divided by height of the crop"),
    .choice("interpolation", \.filter, words: "or \"bicubic\""),
  ]

  static let areaPurpose = DrawPurpose(16)
  static let aspectPurpose = DrawPurpose(17)
  static let positionPurpose = DrawPurpose(18)
  /// What its random numbers are drawn for.
  package static let purposes = [areaPurpose, aspectPurpose, positionPurpose]

  /// What its columns are called after; it is no step that may be missing.
  static let name = "crop"

  /// The columns of what is drawn.
  static let columns: [DrawnColumn] = [
    .integers(
      "crop", of: CropDraw.self, count: 4, otherwise: 0,
      words: "the part of the upright picture that is shown, in its pixels: left, top, width, height"
    ) { [$0.rectangle.x, $0.rectangle.y, $0.rectangle.width, $0.rectangle.height] },
    .integers(
      "picture_size", of: CropDraw.self, count: 2, otherwise: 0,
      words: "width and height in pixels of the upright picture that the crop is of"
    ) { [$0.width, $0.height] },
  ]

  /// What is wrong with its values: one clause each.
  package var problems: [String] {
    var problems: [String] = []
    if !(4...4096).contains(side) { problems.append("the side must lie in 4...4096 pixels, not \(side)") }
    if !(area.lowerBound > 0 && area.upperBound <= 1) {
      problems.append("the crop's area must lie within (0, 1], not \(area)")
    }
    if !(aspect.lowerBound > 0 && aspect.upperBound.isFinite) {
      problems.append("the crop's aspect ratio must be positive, not \(aspect)")
    }
    return problems
  }

  /// The crop of an upright picture of `width` x `height` pixels: ten tries at an area and an aspect ratio that fit, then the largest
  /// central crop whose aspect ratio is allowed.
  package func draw(_ key: DrawKey, width: Int, height: Int) -> CropRectangle {
    var areas = key.generator(Self.areaPurpose)
    var aspects = key.generator(Self.aspectPurpose)
    let logarithmicAspect = log(aspect.lowerBound)...log(aspect.upperBound)
    for _ in 0..<10 {
      let area = Double(width * height) * areas.uniform(in: area)
      let aspect = exp(aspects.uniform(in: logarithmicAspect))
      let cropWidth = Int((area * aspect).squareRoot().rounded(.toNearestOrEven))
      let cropHeight = Int((area / aspect).squareRoot().rounded(.toNearestOrEven))
      guard (1...width).contains(cropWidth), (1...height).contains(cropHeight) else { continue }
      var positions = key.generator(Self.positionPurpose)
      let y = positions.index(below: height - cropHeight + 1)
      let x = positions.index(below: width - cropWidth + 1)
      return CropRectangle(x: x, y: y, width: cropWidth, height: cropHeight)
    }
    let present = Double(width) / Double(height)
    var cropWidth = width
    var cropHeight = height
    if present < aspect.lowerBound {
      cropHeight = Int((Double(width) / aspect.lowerBound).rounded(.toNearestOrEven))
    } else if present > aspect.upperBound {
      cropWidth = Int((Double(height) * aspect.upperBound).rounded(.toNearestOrEven))
    }
    // A picture one pixel wide or high may round to nothing, or to more than there is.
    cropWidth = min(max(cropWidth, 1), width)
    cropHeight = min(max(cropHeight, 1), height)
    return CropRectangle(
      x: (width - cropWidth) / 2, y: (height - cropHeight) / 2, width: cropWidth, height: cropHeight)
  }
}

/// A crop that was drawn, and of what.
package struct CropDraw: Sendable, Equatable {
  /// The part of the picture.
  package let rectangle: CropRectangle
  /// Width of the upright picture in pixels.
  package let width: Int
  /// Its height.
  package let height: Int

  /// The crop `rectangle` of an upright picture of `width` x `height` pixels.
  package init(rectangle: CropRectangle, width: Int, height: Int) {
    self.rectangle = rectangle
    self.width = width
    self.height = height
  }
}
