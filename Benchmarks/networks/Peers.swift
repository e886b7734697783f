import Foundation

/// Other runtimes on the same networks, measured by `Benchmarks/peers/networks.py`.
struct Peers {
  private let script: URL
  /// An interpreter that has Benchmarks/peers/requirements.txt.
  private let python: String

  init(root: URL) {
    script = root.appending(path: "Benchmarks/peers/networks.py")
    python = ProcessInfo.processInfo.environment["SASSL_PYTHON"] ?? "python3"
  }

  /// Images per second of the fastest float32 runtime, at any batch size; nil when none could run.
  func best(_ network: Workload.Network, shape: URL, side: Int, threads: Int, seconds: Double) -> Double? {
    struct Answer: Decodable {
      let bestImagesPerSecond: Double
    }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [
      python, script.path, network.rawValue, "--shape", shape.path, "--side", "\(side)", "--threads", "\(threads)",
      "--seconds", "\(seconds)", "--json",
    ]
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    guard (try? process.run()) != nil else { return nil }
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    guard let last = data.split(separator: UInt8(ascii: "\n")).last,
      let answer = try? decoder.decode(Answer.self, from: Data(last))
    else { return nil }
    return answer.bestImagesPerSecond
  }
}
