import Basics
import Configuration
import Dataset
import Dispatch
import FoundationEssentials
import Glibc
import LongWork
import Machine
import Pipeline
import Streams

/// Measures how many images a second this machine prepares with a configuration, without a ring and without a reader.
package struct ThroughputProbe: Sendable {
  /// What was measured.
  package struct Result: Sendable {
    /// Images (samples, each with all its views) per second, all workers together.
    package let imagesPerSecond: Double
    /// How many workers made them.
    package let workers: Int
    /// How many cores this process may use.
    package let cores: Int
    /// How many images were made.
    package let images: Int
    /// Core time of each stage, milliseconds per image, in the order of the work.
    package let stageMilliseconds: [(stage: String, milliseconds: Double)]

    /// Images per second and core: more workers than cores make no more of them busy.
    package var imagesPerSecondPerCore: Double { imagesPerSecond / Double(min(workers, cores)) }
  }

  /// Most samples of a batch that one worker makes, so that many workers do not take the memory of as many whole batches.
  private static let mostSamples = 32

  private let configuration: ServiceConfiguration
  private let stream: OpenedStream

  /// Opens the stream of a configuration.
  ///
  /// - Parameter progress: told how far that is.
  /// - Throws: what `sassld` would refuse to start with.
  package init(_ configuration: ServiceConfiguration, progress: (WorkProgress) -> Void) throws {
    self.configuration = configuration
    stream = try OpenedStream(withoutDaemon: configuration, progress: progress)
  }

  /// Makes images with `workers` threads for at least `seconds`, counted from when each of them has made its first ones.
  ///
  /// Each thread makes batches of its own, which are one style group large: the cost of an image does not depend on more.
  ///
  /// - Parameter progress: told after each batch how much of the time is over.
  /// - Throws: `StreamFailure` where a batch cannot be made.
  package func run(
    workers: Int, seconds: Double, progress: @escaping @Sendable (WorkProgress) -> Void
  ) throws -> Result {
    let source = stream.source
    let isInBatch = if case .inBatch = source.styles { !source.styledViews.isEmpty } else { false }
    let schedule = try StreamSchedule(
      sampleCount: source.catalog.count, seed: source.seed,
      batchSize: isInBatch ? source.styleGroupSize : min(Self.mostSamples, configuration.batch.size))
    let quarantine = Quarantine(
      fraction: configuration.limits.maximumBadFraction, total: source.catalog.count)
    let loader = SampleLoader(
      source: source, quarantine: quarantine, patience: configuration.limits.waitForMachine,
      onBadFile: { _, _ in })
    let tally = Tally()
    progress(WorkProgress("warming up"))
    let start = StartingLine(count: workers)
    let ended = DispatchGroup()
    for worker in 0..<workers {
      ended.enter()
      // All at once, which a dispatch queue would not let them be.
      let hasThread = NamedThread.start("probe \(worker)") {
        defer { ended.leave() }
        let tools = WorkerTools(for: source)
        let batch = PrivateBatch(recipes: source.recipes, count: schedule.batchSize)
        var number = UInt64(worker)
        func makeBatch() throws(StreamFailure) {
          tools.times = PipelineMetrics.Times()
          let assembly = BatchAssembly(
            plan: schedule.batch(number), memory: batch.memory, source: source, schedule: schedule, loader: loader)
          try assembly.make(tools: tools)
          number += UInt64(workers)
        }
        do throws(StreamFailure) {
          // The first batch warms caches and scratch memory, and is not counted.
          let warmth = Swift.Result { () throws(StreamFailure) in try makeBatch() }
          let began = start.wait()
          try warmth.get()
          var times = PipelineMetrics.Times()
          var images = 0
          repeat {
            try makeBatch()
            times.add(tools.times)
            images += schedule.batchSize
            let passed = min(seconds, Double(clockNanoseconds() - began) / 1e9)
            progress(WorkProgress("measuring", WorkProgress.Count(Int(passed), of: Int(seconds.rounded(.up)), "s")))
          } while clockNanoseconds() < began + UInt64(seconds * 1e9)
          tally.add(images: images, nanoseconds: clockNanoseconds() - began, times: times)
        } catch {
          tally.fail(error)
        }
      }
      guard hasThread else {
        ended.leave()
        throw StreamFailure.noThread(workers: workers)
      }
    }
    ended.wait()
    return try tally.result(workers: workers)
  }

  /// Holds threads until all have come, and tells them when that was.
  private final class StartingLine: Sendable {
    private let state: Monitor<State>

    private struct State {
      /// How many have not come yet.
      var missing: Int
      /// When the last one came.
      var nanoseconds: UInt64 = 0
    }

    init(count: Int) { state = Monitor(State(missing: count)) }

    func wait() -> UInt64 {
      state.update {
        $0.missing -= 1
        if $0.missing == 0 { $0.nanoseconds = clockNanoseconds() }
      }
      return state.wait { $0.missing > 0 ? nil : $0.nanoseconds }
    }
  }

  /// What the threads add up.
  private final class Tally: Sendable {
    private let state = Mutex(State())

    private struct State {
      var images = 0
      var imagesPerSecond = 0.0
      var times = PipelineMetrics.Times()
      var failure: StreamFailure?
    }

    /// Adds what one thread has made since all of them began. Each has its own rate: they end at different times.
    func add(images: Int, nanoseconds: UInt64, times: PipelineMetrics.Times) {
      state.withLock {
        $0.images += images
        $0.imagesPerSecond += Double(images) / (Double(nanoseconds) / 1e9)
        $0.times.add(times)
      }
    }

    func fail(_ error: StreamFailure) { state.withLock { $0.failure = $0.failure ?? error } }

    func result(workers: Int) throws(StreamFailure) -> Result {
      let total = state.withLock { $0 }
      if let failure = total.failure { throw failure }
      let stages = PipelineMetrics.Stage.allCases.map { stage in
        (stage: "\(stage)", milliseconds: Double(total.times.nanoseconds[stage.rawValue]) / 1e6 / Double(total.images))
      }
      return Result(
        imagesPerSecond: total.imagesPerSecond, workers: workers, cores: max(1, ProcessorShare.cores),
        images: total.images, stageMilliseconds: stages)
    }
  }
}
