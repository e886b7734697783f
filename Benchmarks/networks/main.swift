// Images per second of the two networks, beside other runtimes where they are installed.
import CStyleKernels
import Foundation
import StyleTransfer

let usage = """
  usage: sassl-bench [--shape FILE|MODEL]... [--network transformer|predictor] [--side N]... [--threads N] [--seconds S]
                     [--reference] [--layers] [--no-peers] [--json]

  Without --shape: the published networks, Benchmarks/shapes/lite.json and full-width.json, at 224 (transformer) and the
  predictor's own side. A shape is an architecture (JSON; the weights are then random, which costs the same) or a model
  file. --reference measures the plain engine instead of the fast one; --layers shows
  where the fast one spends its time, on one thread. SASSL_CPU=avx512|avx2|portable chooses the
  instructions.
  """

func fail(_ message: String) -> Never {
  FileHandle.standardError.write(Data("sassl-bench: \(message)\n\(usage)\n".utf8))
  exit(64)
}

let root = URL(fileURLWithPath: #filePath)
  .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
var shapes: [URL] = []
var networks = Workload.Network.allCases
var sides: [Int] = []
var threads = ProcessInfo.processInfo.activeProcessorCount
var seconds = 4.0
var usesReference = false
var showsLayers = false
var comparesPeers = true
var printsJSON = false

var arguments = CommandLine.arguments.dropFirst()
@MainActor func value(of option: String) -> String {
  guard let value = arguments.popFirst() else { fail("\(option) needs a value") }
  return value
}
while let argument = arguments.popFirst() {
  switch argument {
  case "--shape": shapes.append(URL(fileURLWithPath: value(of: argument)))
  case "--network":
    guard let network = Workload.Network(rawValue: value(of: argument)) else { fail("no such network") }
    networks = [network]
  case "--side":
    guard let side = Int(value(of: argument)), side > 0 else { fail("--side must be a positive number") }
    sides.append(side)
  case "--threads":
    guard let count = Int(value(of: argument)), count > 0 else { fail("--threads must be a positive number") }
    threads = count
  case "--seconds":
    guard let duration = Double(value(of: argument)), duration > 0 else { fail("--seconds must be positive") }
    seconds = duration
  case "--reference": usesReference = true
  case "--layers": showsLayers = true
  case "--no-peers": comparesPeers = false
  case "--json": printsJSON = true
  case "--help":
    print(usage)
    exit(0)
  default: fail("unknown option \(argument)")
  }
}
if shapes.isEmpty { shapes = ["lite", "full-width"].map { root.appending(path: "Benchmarks/shapes/\($0).json") } }

/// One row of the table.
struct Row: Encodable {
  let shape: String
  let network: String
  let side: Int
  let threads: Int
  let path: String
  let imagesPerSecond: Double
  let imagesPerCoreSecond: Double
  let gigaMacsPerImage: Double
  /// Multiply-accumulates of the layers as defined, per second of one core: a measure of speed, not of arithmetic done, as
  /// fast algorithms need fewer.
  let gigaMacsPerCoreSecond: Double
  let scratchBytesPerThread: Int
  var bestPeerImagesPerSecond: Double?
  var ratio: Double?
}

if showsLayers { comparesPeers = false }
let peers = comparesPeers ? Peers(root: root) : nil
let path = usesReference ? "reference" : String(cString: style_kernels_selected().pointee.name)
let encoder = JSONEncoder()
encoder.keyEncodingStrategy = .convertToSnakeCase
encoder.outputFormatting = .sortedKeys
if !printsJSON {
  print("shape        network      side  threads  path       images/s  /core-s  GMAC/s/core  MB   best peer  ratio")
}

for shape in shapes {
  var model: StyleModel
  do {
    model =
      shape.pathExtension == "json"
      ? try StyleModel(randomWeightsFor: String(contentsOf: shape, encoding: .utf8), seed: 1)
      : try StyleModel(contentsOf: shape)
  } catch {
    fail("\(shape.path): \(error)")
  }
  if usesReference { model = model.onReferenceEngine }
  let name = shape.deletingPathExtension().lastPathComponent
  for network in networks where network == .transformer || model.predictorSide != nil {
    let wanted = network == .predictor ? [model.predictorSide ?? 0] : (sides.isEmpty ? [224] : sides)
    for side in wanted {
      let workload = Workload(model: model, network: network, side: side)
      if showsLayers {
        let times = layerTimes(of: workload, shape: name, path: path, seconds: seconds)
        if printsJSON {
          print(String(decoding: try encoder.encode(times), as: UTF8.self))
        } else {
          print("\(name), \(network.rawValue), side \(side), \(path)")
          printLayers(times)
        }
        continue
      }
      // The machine's speed drifts: measure before and after the others.
      var measurement = workload.measure(threads: threads, seconds: seconds)
      var best: Double?
      if let peers {
        best = peers.best(network, shape: shape, side: side, threads: threads, seconds: seconds)
        let after = workload.measure(threads: threads, seconds: seconds)
        measurement.imagesPerSecond = (measurement.imagesPerSecond + after.imagesPerSecond) / 2
        measurement.imagesPerCoreSecond = (measurement.imagesPerCoreSecond + after.imagesPerCoreSecond) / 2
      }
      let row = Row(
        shape: name, network: network.rawValue, side: side, threads: threads, path: path,
        imagesPerSecond: measurement.imagesPerSecond, imagesPerCoreSecond: measurement.imagesPerCoreSecond,
        gigaMacsPerImage: Double(workload.macs) * 1e-9,
        gigaMacsPerCoreSecond: Double(workload.macs) * 1e-9 * measurement.imagesPerCoreSecond,
        scratchBytesPerThread: measurement.scratchBytes, bestPeerImagesPerSecond: best,
        ratio: best.map { measurement.imagesPerSecond / $0 })
      if printsJSON {
        print(String(decoding: try encoder.encode(row), as: UTF8.self))
      } else {
        func column(_ text: String, _ width: Int) -> String {
          text.count < width ? String(repeating: " ", count: width - text.count) + text : text
        }
        func number(_ value: Double?, _ digits: Int) -> String {
          value.map { String(format: "%.\(digits)f", $0) } ?? "-"
        }
        print(
          name.padding(toLength: 12, withPad: " ", startingAt: 0),
          network.rawValue.padding(toLength: 11, withPad: " ", startingAt: 0), column("\(side)", 5),
          column("\(threads)", 8), "", path.padding(toLength: 9, withPad: " ", startingAt: 0),
          column(number(row.imagesPerSecond, 1), 9), column(number(row.imagesPerCoreSecond, 1), 8),
          column(number(row.gigaMacsPerCoreSecond, 1), 12), column("\(measurement.scratchBytes >> 20)", 4),
          column(number(best, 1), 10), column(number(row.ratio, 2), 6))
      }
    }
  }
}
