import Basics
import Commands
import Diagnostics
import FoundationEssentials
import Glibc

/// What `sasslctl bench --json` prints.
private struct BenchDescription: Encodable {
  let imagesPerSecond: Double
  let workers: Int
  let images: Int
  let imagesPerSecondPerWorker: Double
  let imagesPerSecondPerCore: Double
  let coresNeeded: Int?
  let stageMillisecondsPerImage: [String: Double]
}

/// `sasslctl bench`: how many images a second this machine prepares.
func benchCommand(_ arguments: [String]) throws -> ExitCode {
  let options =
    streamOptions + [
      CommandOption("seconds", letter: "s", value: "S", "for how long, 1 to 600 (default 10)"),
      CommandOption("workers", letter: "w", value: "N", "how many threads (default: as the configuration says)"),
      CommandOption("trainer", letter: "t", value: "M", "what the trainer reads, in images per second"),
      jsonOption,
    ]
  let command = "sasslctl bench"
  guard
    let parsed = try ParsedArguments(
      arguments, of: command,
      usage: "\(command) [options]",
      about:
        "Measures how many images a second this machine prepares with a configuration, from files to finished views,\n"
        + "and how many cores a trainer of a given speed needs. An image is one sample with all its views. No daemon is\n"
        + "needed; one that runs takes part of the machine.",
      options: options)
  else { return .success }
  try parsed.requireNoOperands(of: command)
  let configuration = try loadConfiguration(parsed)
  let seconds = try parsed.number("seconds", in: 1...600) ?? 10.0
  let workers = try parsed.number("workers", in: 1...1024) ?? configuration.workers.resolvedCount
  let trainer = try parsed.number("trainer", in: 1...1e7) as Double?
  let result = try showingProgress { progress in
    try ThroughputProbe(configuration, progress: progress).run(workers: workers, seconds: seconds, progress: progress)
  }
  let cores = trainer.map { Int(($0 / result.imagesPerSecondPerCore).rounded(.up)) }
  if parsed.has("json") {
    print(
      try jsonText(
        BenchDescription(
          imagesPerSecond: result.imagesPerSecond, workers: workers, images: result.images,
          imagesPerSecondPerWorker: result.imagesPerSecond / Double(workers),
          imagesPerSecondPerCore: result.imagesPerSecondPerCore, coresNeeded: cores,
          stageMillisecondsPerImage: Dictionary(
            uniqueKeysWithValues: result.stageMilliseconds.map { ($0.stage, $0.milliseconds) }))))
    return .success
  }
  print(
    String(
      printf: "this machine prepares %.1f images/s with %d workers on %d cores and this configuration, %.1f a core",
      result.imagesPerSecond, workers, result.cores, result.imagesPerSecondPerCore))
  let stages = result.stageMilliseconds.map { $0.stage + String(printf: " %.2f", $0.milliseconds) }
  let time = workers > result.cores ? "time per image, waiting for a core included" : "core time per image"
  print("\(time): \(stages.joined(separator: ", ")) ms")
  if let trainer, let cores {
    print(String(printf: "for a trainer at %.0f images/s you need %d cores", trainer, cores))
  }
  return .success
}
