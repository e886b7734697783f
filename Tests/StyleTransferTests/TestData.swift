import CStyleKernels
import Foundation
import StyleTransfer

/// Where the tests find what they read.
enum TestData {
  static let packageRoot = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  /// Made by Tests/GoldenMakers/make_style_golden.py, part of the package.
  static func golden(_ name: String) -> URL {
    packageRoot.appending(components: "Tests", "StyleTransferTests", "Golden", name)
  }

  /// Published weights and reference tensors, which are no part of the package and may be absent.
  static let shared: URL = {
    if let path = ProcessInfo.processInfo.environment["SASSL_SHARED"] { return URL(fileURLWithPath: path) }
    return packageRoot.deletingLastPathComponent().appending(component: "shared")
  }()

  static func exists(_ url: URL) -> Bool { FileManager.default.fileExists(atPath: url.path) }

  static let liteCases = ["00", "01", "02", "03", "04", "05"].map {
    shared.appending(components: "golden", "case\($0).safetensors")
  }
  static let fullWidthWeights = shared.appending(components: "golden", "full-width-random.weights.safetensors")
  static let fullWidthCase = shared.appending(components: "golden", "full-width-random.case.safetensors")
  static let litePredictor = shared.appending(components: "models", "magenta-lite", "predict.tflite")
  static let liteTransformer = shared.appending(components: "models", "magenta-lite", "transfer.tflite")

  /// A directory of this test run's own, removed by the test that made it.
  static func temporaryFolder() throws -> URL {
    let folder = FileManager.default.temporaryDirectory.appending(component: "sassl-style-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    return folder
  }
}

/// The Python tool that imports published models.
enum Importer {
  /// Nil when no interpreter has the packages that the tool needs: `SASSL_PYTHON`, then `.venv` at the package root.
  static let interpreter: URL? = {
    var candidates = [TestData.packageRoot.appending(components: ".venv", "bin", "python")]
    if let path = ProcessInfo.processInfo.environment["SASSL_PYTHON"] {
      candidates.insert(URL(fileURLWithPath: path), at: 0)
    }
    return candidates.first { (try? run($0, ["-c", "import numpy, safetensors, tflite"]).status) == 0 }
  }()

  /// Whether the cases with the published weights can run.
  static let canImportPublishedModels = interpreter != nil && TestData.exists(TestData.fullWidthWeights)

  static let skipMessage =
    "needs the published weights at ../shared (or SASSL_SHARED) and a Python with numpy, safetensors and tflite (SASSL_PYTHON)"

  /// Runs the tool; returns its exit status and what it said on standard error.
  static func run(_ arguments: [String]) throws -> (status: Int32, message: String) {
    let tool = TestData.packageRoot.appending(components: "packaging", "ModelImport", "import_model.py")
    return try run(interpreter!, [tool.path] + arguments)
  }

  private static func run(_ executable: URL, _ arguments: [String]) throws -> (status: Int32, message: String) {
    let process = Process()
    process.executableURL = executable
    process.arguments = arguments
    let errors = Pipe()
    process.standardError = errors
    try process.run()
    let message = errors.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: message, as: UTF8.self))
  }

  /// The two published models, imported once for all tests.
  static let published: Result<(lite: StyleModel, fullWidth: StyleModel), any Error> = Result {
    let folder = try TestData.temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let lite = folder.appending(component: "lite.safetensors")
    let fullWidth = folder.appending(component: "full-width.safetensors")
    for arguments in [
      ["--predictor", TestData.litePredictor.path, "--transformer", TestData.liteTransformer.path, "--out", lite.path],
      ["--transformer", TestData.fullWidthWeights.path, "--out", fullWidth.path],
    ] {
      let result = try run(arguments)
      if result.status != 0 { throw ImportFailed(message: result.message) }
    }
    return (try StyleModel(contentsOf: lite), try StyleModel(contentsOf: fullWidth))
  }

  struct ImportFailed: Error { let message: String }
}

/// The kernels of every path that this CPU can run, narrowest first.
let kernelPaths = [STYLE_PATH_PORTABLE, STYLE_PATH_AVX2, STYLE_PATH_AVX512].compactMap {
  style_kernels_for($0)?.pointee
}

/// A picture with edges, gradients and noise.
func noisyPicture(_ width: Int, _ height: Int) -> [UInt8] {
  var state: UInt32 = 1
  return (0..<width * height * 3).map { index in
    state = state &* 1_664_525 &+ 1_013_904_223
    let x = index / 3 % width
    let y = index / 3 / width
    return UInt8((x * 3 + (y / 5 % 2) * 60 + Int(state >> 27)) % 256)
  }
}

/// The largest distance between two sequences, infinite when their lengths differ or one of the values is not a number.
func largestDifference(_ first: [Float], _ second: [Float]) -> Float {
  guard first.count == second.count, !first.isEmpty else { return .infinity }
  return zip(first, second).reduce(0) { largest, pair in
    let distance = abs(pair.0 - pair.1)
    return distance.isNaN ? .infinity : max(largest, distance)
  }
}

extension StyleModel {
  /// The stylized picture as an array.
  func stylized(
    _ pixels: [UInt8], width: Int, height: Int, embedding: StyleEmbedding, beta: Float = 1,
    workspace: StyleWorkspace = .init()
  ) throws -> [Float] {
    var output = [Float](repeating: .nan, count: pixels.count)
    try stylize(
      pixels: pixels, width: width, height: height, embedding: embedding, beta: beta, into: &output,
      workspace: workspace)
    return output
  }
}
