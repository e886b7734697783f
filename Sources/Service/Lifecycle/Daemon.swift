import Basics
import BatchIndex
import BatchRing
import Dispatch
import FoundationEssentials
import Glibc
import Imaging
import StyleTransfer

/// The life of `sassld`: open everything, announce readiness with the first batch, watch, drain.
public final class Daemon: Sendable {
  /// Seconds between looks at progress.
  private static let tick = 1
  /// Nanoseconds between looks before the stream is ready.
  private static let shortTick = 20_000_000
  /// Seconds between entries of the throughput history.
  private static let historyInterval = 10.0

  /// What can change while a stream runs.
  private static let reloadableKeys: Set = ["workers.count", "limits.max_bad_fraction"]

  private let configurationPath: String
  private let parent: pid_t?
  private let journal = Journal()
  private let notifier = ServiceNotifier()
  private let lock = Lock()
  /// Guarded by `lock`.
  private nonisolated(unsafe) var state = StatusReport.State.starting
  private nonisolated(unsafe) var configuration: ServiceConfiguration

  /// A daemon for the configuration in the file at `configurationPath`.
  ///
  /// - Parameter parent: the process that started this one, whose end ends it; `nil` for a life of its own.
  /// - Throws: `ConfigurationError`.
  public init(configurationPath: String, parent: pid_t? = nil) throws {
    self.configurationPath = configurationPath
    self.parent = parent
    configuration = try ServiceConfiguration.load(path: configurationPath)
  }

  /// Runs until a signal or a failure ends it; call it on the main thread, before any other thread is started.
  ///
  /// `SIGTERM` and `SIGINT` drain: batches in work are finished and published, the rings' files are removed (a reader may finish
  /// what is published), nothing is left behind. `SIGHUP` reads the configuration again.
  ///
  /// - Throws: what kept it from starting, or the `StreamFailure` that ended the stream.
  public func run() throws {
    let signals = SignalInbox([SIGTERM, SIGINT, SIGHUP])
    if let parent { ParentWatch.start(of: parent, journal: journal) { signals.post(SIGTERM) } }
    let configuration = current
    let places = try ServicePlaces(configuration)
    let startedAt = Moment()
    let death = try RehearsedDeath(environment: ProcessInfo.processInfo.environment)
    let index = try places.openIndex(windowBatches: configuration.index.windowBatches, death: death)
    defer { index.close() }
    guard let stream = try open(configuration, indexPath: places.indexPath, index: index, signals: signals) else {
      journal.write(.notice, "stopped before the first batch")
      index.close()
      // The thread that reads the dataset cannot be interrupted, and nothing it holds needs tidying up.
      _exit(ExitCode.success.rawValue)
    }
    let quarantine = Quarantine(
      fraction: configuration.limits.maximumBadFraction, total: stream.source.catalog.count)
    let waiting = WaitingWorkers { [journal] shortage in
      journal.write(
        .warning, kind: "waiting workers",
        "a worker waits, for \(SampleLoader.standardPatience) s at most: \(shortage)")
    }
    let lanes = try makeLanes(configuration, stream: stream, death: death)
    defer { for lane in lanes { lane.ring.close() } }
    let pipeline = makePipeline(
      configuration, stream: stream, lanes: lanes, quarantine: quarantine, waiting: waiting, index: index,
      signals: signals, death: death)
    let instance = Self.uuid(lanes[0].ring.geometry.instance)
    recordStart(instance, configuration: configuration, stream: stream, startedAt: startedAt.date, index: index)
    let reporter = StatusReporter(
      configuration, stream: stream, pipeline: pipeline, quarantine: quarantine, waiting: waiting, index: index,
      startedAt: startedAt, configurationFile: configurationPath)
    let control = try ControlServer(path: places.controlPath) { [self] request in
      switch request {
      case .status:
        reporter.report(state: lock.withLock { state }).json(pretty: false)
      }
    }
    defer { control.close() }
    journal.write(
      .notice,
      "stream \(configuration.stream.name): \(stream.source.catalog.count) samples, "
        + "\(lanes[0].schedule.batchesPerEpoch) batches an epoch, ranks \(configuration.batch.ranks) of "
        + "\(configuration.batch.worldSize), \(pipeline.workerCount) workers, fingerprint \(stream.fingerprintText)")
    pipeline.start()
    watch(pipeline, reporter: reporter, signals: signals, index: index, quarantine: quarantine, waiting: waiting)
    notifier.stopping()
    lock.withLock { state = .draining }
    defer { index.recordStop(ofInstance: instance, at: .now) }
    // A batch that waits for what the machine lacks would hold up the end for longer than a service manager waits.
    waiting.giveUp()
    try pipeline.drain()
    journal.write(.notice, "stopped after \(pipeline.metrics.snapshot().images) images")
  }

  /// Opens what the configuration names, on a thread of its own: reading a large dataset takes minutes, and a signal must be able to
  /// end it. Returns `nil` when one has.
  private func open(
    _ configuration: ServiceConfiguration, indexPath: String, index: BatchIndex, signals: SignalInbox
  ) throws -> OpenedStream? {
    notifier.status("reading the dataset")
    let outcome = Outcome<OpenedStream>()
    DispatchQueue(label: "sassl.opening").async { [journal] in
      outcome.set(
        Result {
          try OpenedStream(
            configuration, journal: journal, reader: try? BatchIndexReader(path: indexPath), index: index)
        })
    }
    while true {
      if let result = outcome.value { return try result.get() }
      if let signal = signals.wait(seconds: 0, nanoseconds: Self.shortTick), signal != SIGHUP { return nil }
    }
  }

  private var current: ServiceConfiguration { lock.withLock { configuration } }

  private func makeLanes(
    _ configuration: ServiceConfiguration, stream: OpenedStream, death: RehearsedDeath?
  ) throws -> [StreamPipeline.Lane] {
    try stream.schedules.map { schedule in
      StreamPipeline.Lane(
        ring: try RingProducer(
          at: RingLocation(
            directory: configuration.ring.directory, name: configuration.stream.name, rank: schedule.rank),
          slotCount: configuration.ring.slots, batchSize: configuration.batch.size,
          fields: BatchFields.all(for: stream.source.recipes, count: configuration.batch.size),
          fingerprint: stream.fingerprint, settings: stream.settings, worldSize: configuration.batch.worldSize,
          batchesPerEpoch: UInt64(schedule.batchesPerEpoch), cpuPath: RingCPUPath(named: KernelPath.selected),
          group: configuration.ring.groupNumber, hook: death?.ringHook),
        schedule: schedule)
    }
  }

  private func makePipeline(
    _ configuration: ServiceConfiguration, stream: OpenedStream, lanes: [StreamPipeline.Lane], quarantine: Quarantine,
    waiting: WaitingWorkers, index: BatchIndex, signals: SignalInbox, death: RehearsedDeath?
  ) -> StreamPipeline {
    let catalog = stream.source.catalog
    let loader = SampleLoader(source: stream.source, quarantine: quarantine, waiting: waiting) {
      [journal] sample, reason in
      let path = catalog.path(of: sample)
      journal.write(.warning, kind: "bad files", "\(path) cannot be used and is replaced: \(reason)")
      index.record(QuarantinedFile(path: path.bytes, sampleID: Int64(sample), reason: reason, seenAt: .now))
    }
    return StreamPipeline(
      source: stream.source, lanes: lanes, loader: loader, workerCount: configuration.workers.resolvedCount,
      death: death, onPublished: { index.record(BatchRecord($0)) },
      onRingTrouble: { [journal] in journal.write(.warning, kind: "rings", $0) },
      onFailure: { [journal] failure in
        journal.write(.error, "the stream has ended: \(failure)")
        signals.post(SIGTERM)
      })
  }

  private func recordStart(
    _ instance: String, configuration: ServiceConfiguration, stream: OpenedStream, startedAt: Date, index: BatchIndex
  ) {
    index.record(
      InstanceRecord(
        identifier: instance, processID: getpid(), startedAt: startedAt,
        configurationFingerprint: configuration.fingerprint.rawValue,
        facts: [
          "name": configuration.stream.name, "dataset": configuration.dataset.path,
          "samples": "\(stream.source.catalog.count)", "model": stream.modelName,
          "fingerprint": stream.fingerprintText, "cpu_path": KernelPath.selected,
        ]))
  }

  /// Waits for signals, and between them looks at the stream: readiness, watchdog, status line, history, what was consumed.
  private func watch(
    _ pipeline: StreamPipeline, reporter: StatusReporter, signals: SignalInbox, index: BatchIndex,
    quarantine: Quarantine, waiting: WaitingWorkers
  ) {
    var history = ThroughputHistory(pipeline: pipeline, index: index, interval: Self.historyInterval)
    var consumption = ConsumptionWatch(pipeline: pipeline, index: index)
    var seenSteps: UInt64 = 0
    while true {
      switch signals.wait(seconds: isReady ? Self.tick : 0, nanoseconds: isReady ? 0 : Self.shortTick) {
      case SIGHUP: reload(pipeline: pipeline, quarantine: quarantine)
      case .some: return
      case nil: break
      }
      let counts = pipeline.metrics.snapshot()
      if counts.images > 0 && !isReady {
        lock.withLock { state = .running }
        notifier.ready(status: "first batch ready")
        journal.write(.notice, "ready: the first batch is in the ring")
      }
      guard isReady else { continue }
      consumption.update()
      history.update()
      // No sign of life where nothing moves although some ring has room: that is what the watchdog is for. Not where workers wait
      // for the machine: their patience has an end of its own.
      let shortage = waiting.sentence
      if counts.steps != seenSteps || pipeline.isWaitingForReaders || shortage != nil { notifier.watchdog() }
      seenSteps = counts.steps
      reporter.observe()
      let report = reporter.report(state: .running)
      notifier.status(
        shortage
          ?? String(
            printf: "%.0f images/s, %d of %d slots ready, %d bad files", report.imagesPerSecond,
            report.rings.map(\.readyBatches).reduce(0, +), report.rings.map(\.slots).reduce(0, +),
            report.quarantinedFiles
          ))
    }
  }

  private var isReady: Bool { lock.withLock { state == .running } }

  /// Reads the configuration again; takes over what can change while a stream runs, and refuses the rest by name.
  private func reload(pipeline: StreamPipeline, quarantine: Quarantine) {
    notifier.reloading()
    defer { notifier.ready(status: "configuration read again") }
    do {
      let fresh = try ServiceConfiguration.load(path: configurationPath)
      let refused = fresh.changedKeys(comparedTo: current).filter { !Self.reloadableKeys.contains($0) }
      guard refused.isEmpty else {
        journal.write(
          .error,
          "configuration not taken over: \(refused.joined(separator: ", ")) cannot change while the stream runs; restart sassld"
        )
        return
      }
      lock.withLock { configuration = fresh }
      pipeline.setWorkerCount(fresh.workers.resolvedCount)
      quarantine.setMaximumFraction(fresh.limits.maximumBadFraction)
      journal.write(.notice, "configuration read again: \(fresh.workers.resolvedCount) workers")
    } catch {
      journal.write(.error, "configuration not taken over: \(error)")
    }
  }

  private static func uuid(_ bytes: [UInt8]) -> String {
    bytes.withUnsafeBytes { UUID(uuid: $0.loadUnaligned(as: uuid_t.self)).uuidString.lowercased() }
  }
}

/// What a thread hands to the one that waits for it.
private final class Outcome<Value: Sendable>: Sendable {
  private let lock = Lock()
  /// Guarded by `lock`.
  private nonisolated(unsafe) var result: Result<Value, any Error>?

  func set(_ result: Result<Value, any Error>) { lock.withLock { self.result = result } }
  var value: Result<Value, any Error>? { lock.withLock { result } }
}
