import Basics
import BatchIndex
import BatchRing
import Configuration
import Control
import Dataset
import Diagnostics
import FoundationEssentials
import Glibc
import Imaging
import Log
import LongWork
import Pipeline
import Streams
import StyleTransfer

/// The life of `sassld`: open everything, announce readiness with the first batch, watch, stop.
package final class Daemon: Sendable {
  /// Seconds between looks at progress.
  private static let tick = 1
  /// Nanoseconds between looks before the stream is ready.
  private static let shortTick = 20_000_000
  /// Seconds between entries of the throughput history.
  private static let historyInterval = 10.0

  /// Seconds that an end may take before it is made short; a service manager waits for longer, people at a terminal do not.
  private static let endingPatience = 1.5

  /// What can change while a stream runs.
  private static let reloadableKeys: Set = ["workers.count", "limits.max_bad_fraction"]

  private let configurationPath: String
  private let parent: pid_t?
  private let onProgress: (@Sendable (WorkProgress?) -> Void)?
  private let journal = Journal()
  private let notifier = ServiceNotifier()
  private let startedAt = Moment()
  private let shared: Mutex<Shared>

  /// What the control socket's thread and the one that opens the stream see too.
  private struct Shared {
    var configuration: ServiceConfiguration
    var state = StatusReport.State.starting
    /// How far the start is.
    var start: ProgressEstimate
    /// Answers for the stream, once there is one.
    var reporter: StatusReporter?
    /// Those that there are so far: an end in the middle of the start must find them.
    var rings: [RingProducer] = []
  }

  /// A daemon for the configuration in the file at `configurationPath`.
  ///
  /// - Parameters:
  ///   - parent: the process that started this one, whose end ends it; `nil` for a life of its own.
  ///   - onProgress: shows how far the start is, and is told `nil` when it is over; without it, the journal is told.
  /// - Throws: `ConfigurationError`.
  package init(
    configurationPath: String, parent: pid_t? = nil,
    onProgress: (@Sendable (WorkProgress?) -> Void)? = nil
  ) throws {
    self.configurationPath = configurationPath
    self.parent = parent
    self.onProgress = onProgress
    shared = Mutex(
      Shared(
        configuration: try ServiceConfiguration.load(path: configurationPath),
        start: ProgressEstimate(WorkProgress("opening the index"), at: clockNanoseconds())))
  }

  /// Runs until a signal or a failure ends it; call it on the main thread, before any other thread is started. The process must end
  /// soon after it returns: what could not be ended in time still runs.
  ///
  /// `SIGTERM` and `SIGINT` stop it within two seconds: batches in work are given up, the rings' files are removed (a reader may finish
  /// what is published), nothing is left behind in shared memory. A second one ends the process at once. `SIGHUP` reads the configuration
  /// again.
  ///
  /// - Throws: what kept it from starting, or the `StreamFailure` that ended the stream.
  package func run() throws {
    let signals = SignalInbox([SIGTERM, SIGINT, SIGHUP])
    // A file that may not grow is then an error like a full disk, and not the end of the process.
    signal(SIGXFSZ, SIG_IGN)
    if let parent { ParentWatch.start(of: parent, journal: journal) { signals.post(SIGTERM) } }
    let configuration = current
    let places = try ServicePlaces(configuration)
    let failpoint = try Failpoint(environment: ProcessInfo.processInfo.environment)
    let name = try HeldName(configuration.stream.name, lockedBy: places.lockPath)
    defer { withExtendedLifetime(name) {} }
    let control = try ControlServer(path: places.controlPath) { [self] request in
      switch request {
      case .status: report().json(pretty: false)
      case .metrics: MeasuredReport(status: report(), counts: shared.withLock { $0.reporter }?.counts()).json
      }
    }
    defer { control.close() }
    defer { onProgress?(nil) }
    try refuseLimits(configuration)
    let index = try places.openIndex(
      windowBatches: configuration.index.windowBatches, whenHalfWritten: { failpoint?.reached(.indexHalfWritten) })
    var notices = StartNotices(
      notifier: notifier, journal: onProgress == nil ? journal : nil, at: clockNanoseconds())
    let opened: OpenedService
    do {
      guard
        let stream = try open(
          configuration, indexPath: places.indexPath, index: index, signals: signals, failpoint: failpoint,
          notices: &notices)
      else {
        journal.write(.notice, "stopped before the first batch")
        finish(signals: signals) { index.close() }
        return
      }
      opened = stream
    } catch {
      finishRings()
      index.close()
      throw error
    }
    try serve(
      opened, configuration: configuration, index: index, signals: signals, failpoint: failpoint, notices: &notices)
  }

  /// Everything that a stream needs, opened.
  private struct OpenedService: Sendable {
    let stream: OpenedStream
    let lanes: [StreamPipeline.Lane]
  }

  /// Makes batches until a signal or a failure ends it.
  private func serve(
    _ opened: OpenedService, configuration: ServiceConfiguration, index: BatchIndex, signals: SignalInbox,
    failpoint: Failpoint?, notices: inout StartNotices
  ) throws {
    let stream = opened.stream
    let lanes = opened.lanes
    let quarantine = Quarantine(
      fraction: configuration.limits.maximumBadFraction, total: stream.source.catalog.count)
    let patience = configuration.limits.waitForMachine
    let waiting = WaitingWorkers { [journal] shortage in
      journal.write(.warning, kind: "waiting workers", "a worker waits, for \(patience) s at most: \(shortage)")
    }
    let pipeline = makePipeline(
      configuration, stream: stream, lanes: lanes, quarantine: quarantine, waiting: waiting, index: index,
      signals: signals, failpoint: failpoint)
    let instance = Self.uuid(lanes[0].ring.geometry.instance)
    recordStart(instance, configuration: configuration, stream: stream, startedAt: startedAt.date, index: index)
    let reporter = StatusReporter(
      configuration, stream: stream, pipeline: pipeline, quarantine: quarantine, waiting: waiting, index: index,
      startedAt: startedAt, configurationFile: configurationPath)
    shared.withLock { $0.reporter = reporter }
    journal.write(
      .notice,
      "stream \(configuration.stream.name): \(stream.source.catalog.count) samples, "
        + "\(lanes[0].schedule.batchesPerEpoch) batches an epoch, ranks \(configuration.batch.ranks) of "
        + "\(configuration.batch.worldSize), \(pipeline.workerCount) workers, fingerprint \(stream.fingerprintText)")
    pipeline.start()
    watch(
      pipeline, reporter: reporter, signals: signals, index: index, quarantine: quarantine, waiting: waiting,
      notices: &notices)
    shared.withLock { $0.state = .draining }
    notifier.stopping(status: Self.farewell(lanes))
    journal.write(.notice, Self.farewell(lanes))
    @Sendable func recordStop() {
      index.recordStop(
        ofInstance: instance, at: .now,
        facts: ReaderPlaces.facts(of: lanes, fingerprint: stream.fingerprint, batch: configuration.batch))
    }
    // Once more when all is done: this one is for an end that takes too long.
    recordStop()
    finish(signals: signals, pipeline: pipeline) { [self] in
      pipeline.stop()
      recordStop()
      finishRings()
      journal.write(.notice, "stopped after \(pipeline.metrics.snapshot().images) images")
      index.close()
    }
    if let failure = pipeline.failure { throw failure }
  }

  /// What becomes of the batches that there are when it is told to stop.
  private static func farewell(_ lanes: [StreamPipeline.Lane]) -> String {
    let counters = lanes.map(\.ring.counters)
    let made = counters.reduce(0) { $0 + $1.producing }
    let ready = counters.reduce(0) { $0 + $1.ready }
    return "stopping: \(made) unfinished batches are given up, "
      + "\(ready) finished ones stay for readers that are attached"
  }

  /// Does the `work` of the end, unless it takes too long or a further signal comes: then what others could stumble over is
  /// removed, and the rest ends with the process.
  private func finish(
    signals: SignalInbox, pipeline: StreamPipeline? = nil, work: @escaping @Sendable () -> Void
  ) {
    // A failure asks for the end by a signal of its own, which says nothing new where one was there already.
    var isFailureTold = false
    let ending = Ending.of(work, within: Self.endingPatience, signals: signals) {
      let isFailure = pipeline?.failure != nil && !isFailureTold
      isFailureTold = isFailureTold || isFailure
      return !isFailure
    }
    journal.finish()
    guard ending != .complete else { return }
    finishRings()
    guard case .urged(let number) = ending else {
      return journal.write(
        .warning, "stopped without waiting for what did not end in time: a file, or the index's disk")
    }
    unlink(ServicePlaces(of: current).controlPath)
    journal.write(.notice, "ended at once, by a further signal")
    LogStream.standardError.flush(seconds: 0.2)
    signal(number, SIG_DFL)
    kill(getpid(), number)
  }

  /// Removes the files of the rings. Their memory stays until the process ends, for somebody may ask for the state until then.
  private func finishRings() {
    for ring in shared.withLock({ $0.rings }) { ring.finish() }
  }

  /// What `sasslctl status` is told.
  private func report() -> StatusReport {
    let shared = shared.withLock { $0 }
    var report =
      shared.reporter?.report(state: shared.state)
      ?? StatusReport(ofThisProcess: shared.configuration, state: shared.state, detail: "", startedAt: startedAt)
    if report.state == .starting {
      let progress = shared.start.report(at: clockNanoseconds())
      report.progress = progress
      if report.detail.isEmpty { report.detail = progress.sentence }
    }
    return report
  }

  /// Notes how far the start is, for whoever asks.
  private func noteStart(_ progress: WorkProgress) {
    shared.withLock { $0.start.note(progress, at: clockNanoseconds()) }
    onProgress?(progress)
  }

  /// Tells those who do not ask.
  private func tellStart(_ notices: inout StartNotices) {
    let now = clockNanoseconds()
    notices.tell(shared.withLock { $0.start.report(at: now) }, at: now)
  }

  /// Refuses to begin where a limit would end the process without a word later.
  private func refuseLimits(_ configuration: ServiceConfiguration) throws(StartError) {
    for finding in Diagnosis(configuration).memoryLimits() where finding.verdict == .problem {
      throw .limit(finding)
    }
  }

  /// Opens what the configuration names and makes the rings, on a thread of its own: reading a large dataset takes minutes, and a signal
  /// must be able to end it. Returns `nil` when one has.
  private func open(
    _ configuration: ServiceConfiguration, indexPath: String, index: BatchIndex, signals: SignalInbox,
    failpoint: Failpoint?, notices: inout StartNotices
  ) throws -> OpenedService? {
    let outcome = Outcome<Result<OpenedService, any Error>>()
    let isStarted = NamedThread.start("sassl.opening") { [self] in
      outcome.set(
        Result {
          let reader = try? BatchIndexReader(path: indexPath)
          let stream = try OpenedStream(
            configuration, journal: journal, reader: reader, index: index, progress: noteStart)
          noteStart(WorkProgress("reserving shared memory"))
          return try makeRings(configuration, stream: stream, reader: reader, failpoint: failpoint)
        })
    }
    guard isStarted else { throw StreamFailure.noThread(workers: configuration.workers.resolvedCount) }
    while true {
      if let result = outcome.value { return try result.get() }
      tellStart(&notices)
      if let signal = signals.wait(seconds: 0, nanoseconds: Self.shortTick), signal != SIGHUP { break }
    }
    // Reading a dataset cannot be interrupted and holds nothing that needs tidying up, but a ring may be ready any moment.
    notifier.stopping(status: "stopping before the first batch")
    finish(signals: signals) { [self] in
      while outcome.value == nil { usleep(10_000) }
      finishRings()
    }
    return nil
  }

  private var current: ServiceConfiguration { shared.withLock { $0.configuration } }

  /// Makes the rings of every rank. Where there is no room, rings that dead daemons left are named.
  private func makeRings(
    _ configuration: ServiceConfiguration, stream: OpenedStream, reader: BatchIndexReader?, failpoint: Failpoint?
  ) throws -> OpenedService {
    let places = ReaderPlaces(lastOf: reader, fingerprint: stream.fingerprint, batch: configuration.batch)
    do {
      let lanes = try stream.schedules.map { schedule in
        try makeLane(
          configuration, stream: stream, schedule: schedule, start: places.nextBatch(ofRank: schedule.rank) ?? 0,
          failpoint: failpoint)
      }
      return OpenedService(stream: stream, lanes: lanes)
    } catch let error as RingError where error.kind == .space {
      throw StartError.noRoom(
        error, left: LeftRing.all(in: configuration.ring.directory, except: configuration.stream.name))
    }
  }

  private func makeLane(
    _ configuration: ServiceConfiguration, stream: OpenedStream, schedule: StreamSchedule, start: UInt64,
    failpoint: Failpoint?
  ) throws -> StreamPipeline.Lane {
    let location = RingLocation(
      directory: configuration.ring.directory, name: configuration.stream.name, rank: schedule.rank)
    let isSameOnEveryPath = stream.source.model?.isSameOnEveryPath ?? true
    let cpuPath = isSameOnEveryPath ? .any : RingCPUPath(named: KernelPath.selected)
    let ring = try RingProducer(
      at: location, slotCount: configuration.ring.slots, batchSize: configuration.batch.size,
      fields: BatchFields.all(
        for: stream.source.recipes, count: configuration.batch.size, drawn: configuration.ring.drawn),
      fingerprint: stream.fingerprint, settings: stream.settings, worldSize: configuration.batch.worldSize,
      batchesPerEpoch: UInt64(schedule.batchesPerEpoch), cpuPath: cpuPath,
      start: .resume(else: start), group: configuration.ring.groupNumber, hook: failpoint?.ringHook)
    shared.withLock { $0.rings.append(ring) }
    if ring.startBatch > 0 {
      journal.write(.notice, "rank \(schedule.rank) goes on at batch \(ring.startBatch), where its reader stood")
    }
    return StreamPipeline.Lane(ring: ring, schedule: schedule)
  }

  private func makePipeline(
    _ configuration: ServiceConfiguration, stream: OpenedStream, lanes: [StreamPipeline.Lane], quarantine: Quarantine,
    waiting: WaitingWorkers, index: BatchIndex, signals: SignalInbox, failpoint: Failpoint?
  ) -> StreamPipeline {
    let catalog = stream.source.catalog
    let loader = SampleLoader(
      source: stream.source, quarantine: quarantine, waiting: waiting, patience: configuration.limits.waitForMachine
    ) { [journal] sample, reason in
      let path = catalog.path(of: sample)
      journal.write(.warning, kind: "bad files", "\(path) cannot be used and is replaced: \(reason)")
      index.record(QuarantinedFile(path: path.bytes, sampleID: Int64(sample), reason: reason, seenAt: .now))
    }
    return StreamPipeline(
      source: stream.source, lanes: lanes, loader: loader, workerCount: configuration.workers.resolvedCount,
      failpoint: failpoint, onPublished: { index.record(BatchRecord($0)) },
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
          "name": configuration.stream.name, "dataset": configuration.dataset.name,
          "samples": "\(stream.source.catalog.count)", "model": stream.modelName,
          "fingerprint": stream.fingerprintText, "cpu_path": KernelPath.selected,
        ]))
  }

  /// Waits for signals, and between them looks at the stream: readiness, watchdog, status line, history, what was consumed.
  private func watch(
    _ pipeline: StreamPipeline, reporter: StatusReporter, signals: SignalInbox, index: BatchIndex,
    quarantine: Quarantine, waiting: WaitingWorkers, notices: inout StartNotices
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
      journal.tellHeldBack()
      let counts = pipeline.metrics.snapshot()
      if counts.images > 0 && !isReady {
        shared.withLock { $0.state = .running }
        notifier.ready(status: "first batch ready")
        onProgress?(nil)
        journal.write(.notice, "ready: the first batch is in the ring")
      }
      guard isReady else {
        let size = current.batch.size
        let made = min(Int(counts.finishing.count), size)
        noteStart(WorkProgress("making the first batch", WorkProgress.Count(made, of: size, "samples")))
        tellStart(&notices)
        continue
      }
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

  private var isReady: Bool { shared.withLock { $0.state == .running } }

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
      shared.withLock { $0.configuration = fresh }
      let workers = pipeline.setWorkerCount(fresh.workers.resolvedCount)
      quarantine.setMaximumFraction(fresh.limits.maximumBadFraction)
      let wanted = fresh.workers.resolvedCount
      journal.write(
        workers < wanted ? .warning : .notice,
        "configuration read again: \(workers) workers"
          + (workers < wanted ? ", because the system has no threads for \(wanted)" : ""))
    } catch {
      journal.write(.error, "configuration not taken over: \(error)")
    }
  }

  private static func uuid(_ bytes: [UInt8]) -> String {
    bytes.withUnsafeBytes { UUID(uuid: $0.loadUnaligned(as: uuid_t.self)).uuidString.lowercased() }
  }
}
