// Microseconds of one core for everything that happens to a picture besides style transfer.
import Augmentation
import Foundation
import Imaging

let usage = """
  usage: sassl-bench-pictures [--data FOLDER] [--side N] [--json]

  Times decoding, every operation on a view of N x N pixels (default 224), and the whole way from file to two MoCo v2
  views without style. --data names a folder of pictures to decode; without it one generated picture of
  500 x 375 pixels is used. Thread CPU time, the best of five rounds.
  """

func fail(_ message: String) -> Never {
  FileHandle.standardError.write(Data("sassl-bench-pictures: \(message)\n\(usage)\n".utf8))
  exit(64)
}

var folder: String?
var side = 224
var printsJSON = false
var arguments = CommandLine.arguments.dropFirst()
while let argument = arguments.popFirst() {
  switch argument {
  case "--data":
    guard let value = arguments.popFirst() else { fail("--data needs a folder") }
    folder = value
  case "--side":
    guard let value = arguments.popFirst().flatMap({ Int($0) }), (32...1024).contains(value) else {
      fail("--side must lie in 32...1024")
    }
    side = value
  case "--json": printsJSON = true
  case "--help":
    print(usage)
    exit(0)
  default: fail("unknown option \(argument)")
  }
}

/// A picture with gradients, edges and grain, so that its JPEG has about as many bytes as a photograph's.
func generatedPicture(width: Int, height: Int) -> RGBImage {
  let image = RGBImage(width: width, height: height)
  var grain: UInt32 = 1
  for y in 0..<height {
    for x in 0..<width {
      grain = grain &* 1_664_525 &+ 1_013_904_223
      let noise = Int(grain >> 27)
      let pixel = image.pixels.base + (y * width + x) * 3
      pixel[0] = UInt8(min(x * 220 / width + noise, 255))
      pixel[1] = UInt8(min(y * 220 / height + noise, 255))
      pixel[2] = UInt8(min((x / 40 + y / 40) % 2 * 160 + noise, 255))
    }
  }
  return image
}

/// CPU time of this thread, in seconds.
func threadTime() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}

/// Times `body`, which gets the number of its call, and prints a row.
@MainActor func measure(_ name: String, calls: Int = 100, _ body: (Int) throws -> Void) rethrows {
  try body(0)
  var best = Double.infinity
  for _ in 0..<5 {
    let start = threadTime()
    for call in 0..<calls { try body(call) }
    best = min(best, (threadTime() - start) / Double(calls))
  }
  let microseconds = String(format: "%.1f", best * 1e6)
  if printsJSON {
    print("{\"operation\": \"\(name)\", \"side\": \(side), \"microseconds\": \(microseconds)}")
  } else {
    print(
      name.padding(toLength: 36, withPad: " ", startingAt: 0)
        + String(repeating: " ", count: max(10 - microseconds.count, 0)) + microseconds)
  }
}

let decoder = ImageDecoder()
let workspace = PixelWorkspace()
let picture = generatedPicture(width: 500, height: 375)
let decoded = RGBImage(width: 1, height: 1)
let viewImage = RGBImage(width: side, height: side)
let view = viewImage.pixels
var files = [try JPEGFile.encode(picture.pixels)]
if let folder {
  let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
  files = names.compactMap { FileManager.default.contents(atPath: folder + "/" + $0).map { [UInt8]($0) } }
    .filter { (try? decoder.decode($0)) != nil }
  guard !files.isEmpty else { fail("no pictures in \(folder)") }
}

if !printsJSON { print("operation, \(side) x \(side)                  microseconds") }
let rounds = max(files.count, 50)
try measure("read the header", calls: rounds) { call in
  _ = try files[call % files.count].withUnsafeBytes { try decoder.header(of: $0) }
}
try measure("decode", calls: rounds) { call in
  try files[call % files.count].withUnsafeBytes { try decoder.decode($0, into: decoded) }
}
for filter in ResamplingFilter.allCases {
  measure("crop from 500 x 375, \(filter.rawValue)") { _ in
    view.resizedCrop(from: picture, picture.fullFrame, filter: filter, workspace: workspace)
  }
}
measure("flip") { _ in view.flipHorizontally() }
measure("brightness") { _ in view.adjustBrightness(factor: 0.99) }
measure("contrast") { _ in view.adjustContrast(factor: 1.01) }
measure("saturation") { _ in view.adjustSaturation(factor: 0.99) }
measure("hue") { _ in view.adjustHue(shift: 0.01) }
for sigma in [0.3, 1, 2] {
  measure("blur, sigma \(sigma)") { _ in
    view.blur(kernelSize: GaussianBlur.kernelSize(forSide: side), sigma: sigma, workspace: workspace)
  }
}
measure("solarize") { _ in view.solarize(threshold: 128) }
measure("grayscale") { _ in view.convertToGrayscale() }
let recipes = RecipePreset.mocov2.views(side: side, style: nil)
try measure("file to two MoCo v2 views", calls: rounds) { call in
  try files[call % files.count].withUnsafeBytes { try decoder.decode($0, into: decoded) }
  for (number, recipe) in recipes.enumerated() {
    let draws = ViewDraws(recipe: recipe, seed: 1, epoch: 0, sample: UInt64(call), view: number)
    let crop = draws.crop(ofWidth: decoded.originalWidth, height: decoded.originalHeight)
    draws.applyCrop(crop, of: decoded, into: view, workspace: workspace)
    for operation in draws.operationsBeforeStyle { operation.apply(to: view, workspace: workspace) }
  }
}
