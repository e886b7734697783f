import Basics
import Dispatch
import FoundationEssentials
import Glibc

/// Measures how many images a second this machine prepares with a configuration, without a ring and without a reader.
public struct ThroughputProbe: Sendable {
  /// What was measured.
  public struct Result: Sendable {
    /// Images (samples, each with all its views) per second, all workers together.
    public let imagesPerSecond: Double
    /// How many workers made them.
    public let workers: Int
    /// How many images were made.
    public let images: Int
    /// Core time of each stage, milliseconds per image, in the order of the work.
    public let stageMilliseconds: [(stage: String, milliseconds: Double)]
  }

  private let configuration: ServiceConfiguration
  private let stream: OpenedStream

  /// Opens the stream of a configuration.
  ///
  /// - Throws: what `sassld` would refuse to start with.
  public init(_ configuration: ServiceConfiguration) throws {
    self.configuration = configuration
    stream = try OpenedStream(configuration, journal: nil, reader: nil, index: nil)
  }

  /// Makes batches with `workers` threads for at least `seconds`; each thread makes whole batches of its own.
  ///
  /// - Throws: `StreamFailure` where a batch cannot be made.
  public func run(workers: Int, seconds: Double) throws -> Result {
    let source = stream.source
    let schedule = stream.schedules[0]
    let quarantine = Quarantine(
      fraction: configuration.limits.maximumBadFraction, total: source.catalog.count)
    let loader = SampleLoader(source: source, quarantine: quarantine, onBadFile: { _, _ in })
    let tally = Tally()
    DispatchQueue.concurrentPerform(iterations: workers) { worker in
      let tools = WorkerTools(for: source)
      let batch = PrivateBatch(recipes: source.recipes, count: schedule.batchSize)
      var number = UInt64(worker)
      do throws(StreamFailure) {
        // The first batch warms caches and scratch memory, and is not counted.
        var isWarm = false
        let deadline = clockNanoseconds() + UInt64(seconds * 1e9)
        while !isWarm || clockNanoseconds() < deadline {
          let start = clockNanoseconds()
          tools.times = PipelineMetrics.Times()
          let assembly = BatchAssembly(
            plan: schedule.batch(number), memory: batch.memory, source: source, schedule: schedule, loader: loader)
          for position in 0..<assembly.count { try assembly.prepare(position, tools: tools) }
          for position in 0..<assembly.count { try assembly.finish(position, tools: tools) }
          if isWarm { tally.add(images: assembly.count, nanoseconds: clockNanoseconds() - start, times: tools.times) }
          isWarm = true
          number += UInt64(workers)
        }
      } catch {
        tally.fail(error)
      }
    }
    return try tally.result(workers: workers)
  }

  /// What the threads add up.
  private final class Tally: Sendable {
    private let lock = Lock()
    /// Guarded by `lock`.
    private nonisolated(unsafe) var images = 0
    private nonisolated(unsafe) var nanoseconds: UInt64 = 0
    private nonisolated(unsafe) var times = PipelineMetrics.Times()
    private nonisolated(unsafe) var failure: StreamFailure?

    func add(images: Int, nanoseconds: UInt64, times: PipelineMetrics.Times) {
      lock.withLock {
        self.images += images
        self.nanoseconds += nanoseconds
        self.times.add(times)
      }
    }

    func fail(_ error: StreamFailure) { lock.withLock { failure = failure ?? error } }

    func result(workers: Int) throws(StreamFailure) -> Result {
      let (images, nanoseconds, times, failure) = lock.withLock {
        (self.images, self.nanoseconds, self.times, self.failure)
      }
      if let failure { throw failure }
      // Each thread's own rate, added up: threads may end at different times.
      let rate = Double(images) / (Double(nanoseconds) / 1e9) * Double(workers)
      let stages = PipelineMetrics.Stage.allCases.map { stage in
        (stage: "\(stage)", milliseconds: Double(times.nanoseconds[stage.rawValue]) / 1e6 / Double(images))
      }
      return Result(imagesPerSecond: rate, workers: workers, images: images, stageMilliseconds: stages)
    }
  }
}
