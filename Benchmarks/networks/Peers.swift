import Foundation

/// Other runtimes on the same networks, measured by a script that is no part of the package.
struct Peers {
  let script: URL
  let python: String

  /// Nil where the script is absent.
  init?(root: URL) {
    let environment = ProcessInfo.processInfo.environment
    let shared = environment["SASSL_SHARED"].map { URL(fileURLWithPath: $0) } ?? root.appending(path: "../shared")
    script = shared.appending(path: "bench/peers.py")
    guard FileManager.default.fileExists(atPath: script.path) else { return nil }
    python = environment["SASSL_PYTHON"] ?? "python3"
  }

  /// Images per second of the fastest float32 runtime, at any batch size; nil when none could run.
  func best(_ network: String, threads: Int, seconds: Double) -> Double? {
    struct Line: Decodable {
      let bestFP32: Double
      enum CodingKeys: String, CodingKey {
        case bestFP32 = "best_fp32"
      }
    }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [
      python, script.path, network, "--threads", "\(threads)", "--seconds", "\(seconds)", "--runtimes", "ort,openvino",
      "--json",
    ]
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    guard (try? process.run()) != nil else { return nil }
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard let last = data.split(separator: UInt8(ascii: "\n")).last,
      let line = try? JSONDecoder().decode(Line.self, from: Data(last)), line.bestFP32 > 0
    else { return nil }
    return line.bestFP32
  }
}
