import Basics
import BatchIndex
import BatchRing
import Dataset
import Dispatch
import FoundationEssentials
import Glibc
import StyleTransfer

/// Makes the batches of one stream for one or more ranks: a feeder for each ring opens batches in free slots, and a pool of
/// workers fills them.
///
/// The rings are the only brake: a feeder waits while its ring is full, and the workers wait while no batch is open.
package final class StreamPipeline: Sendable {
  /// One rank's ring and its schedule.
  package struct Lane: Sendable {
    package let ring: RingProducer
    package let schedule: StreamSchedule

    package init(ring: RingProducer, schedule: StreamSchedule) {
      self.ring = ring
      self.schedule = schedule
    }
  }

  /// What is told of a batch once it is published; the slot itself may then already hold another one.
  package struct Published: Sendable {
    package let rank: Int
    package let slot: Int
    package let plan: BatchPlan
    package let samples: [DrawnSample]
    package let drawn: [DrawnNumbers]
    package let times: PipelineMetrics.Times
  }

  /// A batch in a slot of its ring.
  private struct Job: Sendable {
    let lane: Lane
    let reservation: RingReservation
    let assembly: BatchAssembly
  }

  /// For how long a feeder waits in one call before it looks whether to stop.
  private static let feederPatience = Duration.milliseconds(200)

  package let lanes: [Lane]
  package let metrics = PipelineMetrics()
  private let source: StreamSource
  private let loader: SampleLoader
  private let failpoint: Failpoint?
  private let onPublished: @Sendable (Published) -> Void
  private let onRingTrouble: @Sendable (String) -> Void
  private let onFailure: @Sendable (StreamFailure) -> Void
  private let work = WorkList<Job>()
  private let feeders = DispatchGroup()
  private let workers = DispatchGroup()
  private let state: Mutex<State>

  private struct State {
    var wantedWorkers: Int
    var runningWorkers: Set<Int> = []
    var waitingFeeders = 0
    /// What is wrong with a rank's ring, by rank.
    var ringTroubles: [Int: String] = [:]
    var endedLanes = 0
    var stopping = false
    var isToldToStop = false
    var endedBy: StreamFailure?
  }

  /// A pipeline at rest.
  ///
  /// - Parameters:
  ///   - failpoint: told when a batch's pictures are half written; `nil` where none is set.
  ///   - onPublished: called from a worker after each batch, in the order in which batches become complete.
  ///   - onRingTrouble: called with a sentence when something has happened to a ring, and the stream goes on.
  ///   - onFailure: called once, from a worker, when the stream cannot go on.
  package init(
    source: StreamSource, lanes: [Lane], loader: SampleLoader, workerCount: Int,
    failpoint: Failpoint?, onPublished: @escaping @Sendable (Published) -> Void,
    onRingTrouble: @escaping @Sendable (String) -> Void,
    onFailure: @escaping @Sendable (StreamFailure) -> Void
  ) {
    self.source = source
    self.lanes = lanes
    self.loader = loader
    self.failpoint = failpoint
    state = Mutex(State(wantedWorkers: workerCount))
    self.onPublished = onPublished
    self.onRingTrouble = onRingTrouble
    self.onFailure = onFailure
  }

  /// Starts feeders and workers.
  package func start() {
    // Every feeder and worker blocks, so each gets a thread of its own.
    let hasFeeders = lanes.allSatisfy { lane in
      run("sassl.feed.\(lane.schedule.rank)", in: feeders) { self.feed(lane) }
    }
    if !startMissingWorkers() || !hasFeeders { fail(.noThread(workers: workerCount)) }
  }

  /// Changes how many images are made at once; workers that are too many end after the image they are at.
  ///
  /// - Returns: how many there are now: fewer than wanted where the system has no threads for them.
  package func setWorkerCount(_ count: Int) -> Int {
    state.withLock { $0.wantedWorkers = count }
    if !startMissingWorkers() { state.withLock { $0.wantedWorkers = max(1, $0.runningWorkers.count) } }
    return workerCount
  }

  /// How many workers there should be.
  package var workerCount: Int { state.withLock { $0.wantedWorkers } }

  /// Starts the workers that there should be; false where the system has no thread for one.
  private func startMissingWorkers() -> Bool {
    let missing = state.withLock { state in
      let numbers = (0..<state.wantedWorkers).filter { !state.runningWorkers.contains($0) }
      state.runningWorkers.formUnion(numbers)
      return numbers
    }
    let refused = missing.filter { number in
      !run("sassl.work.\(number)", in: workers) { self.makeImages(number) }
    }
    state.withLock { $0.runningWorkers.subtract(refused) }
    return refused.isEmpty
  }

  /// Runs `body` on a thread that `group` waits for; false where there is none.
  private func run(_ name: String, in group: DispatchGroup, _ body: @escaping @Sendable () -> Void) -> Bool {
    group.enter()
    let isStarted = NamedThread.start(name) {
      body()
      group.leave()
    }
    if !isStarted { group.leave() }
    return isStarted
  }

  /// Whether worker `number` should go on; when not, it counts as ended.
  private func isWanted(_ number: Int) -> Bool {
    state.withLock {
      if number < $0.wantedWorkers { return true }
      $0.runningWorkers.remove(number)
      return false
    }
  }

  /// Gives up the batches in work, which whoever comes next makes again, and returns when every feeder and worker has ended: each
  /// with the image that it is at. What is published stays.
  package func stop() {
    state.withLock {
      $0.stopping = true
      $0.isToldToStop = true
    }
    // Whoever waits for what the machine lacks would hold up the end.
    loader.giveUp()
    feeders.wait()
    work.close()
    workers.wait()
  }

  /// Why the stream has ended by itself, if it has.
  package var failure: StreamFailure? { state.withLock { $0.endedBy } }

  /// Whether every ring is full of finished batches, so that making nothing is what the workers should do.
  package var isWaitingForReaders: Bool { state.withLock { $0.waitingFeeders == lanes.count } }

  /// What is wrong with rings, in a sentence; `nil` where nothing is.
  package var ringTrouble: String? {
    let troubles = state.withLock { $0.ringTroubles }
    return troubles.isEmpty ? nil : troubles.sorted { $0.key < $1.key }.map(\.value).joined(separator: "; ")
  }

  private var isStopping: Bool { state.withLock { $0.stopping } }

  private func fail(_ error: StreamFailure) {
    let isFirst = state.withLock { state in
      state.stopping = true
      // What comes to light after it was told to stop changes nothing.
      if state.endedBy != nil || state.isToldToStop { return false }
      state.endedBy = error
      return true
    }
    if isFirst { onFailure(error) }
  }

  /// Tells what is wrong with a lane's ring, once; `nil` where nothing is any more.
  private func note(_ trouble: String?, in lane: Lane) {
    let sentence = trouble.map { "rank \(lane.schedule.rank): \($0)" }
    let isNew = state.withLock {
      let former = $0.ringTroubles[lane.schedule.rank]
      $0.ringTroubles[lane.schedule.rank] = sentence
      return sentence != former
    }
    if isNew, let sentence { onRingTrouble(sentence) }
  }

  /// Ends the stream of one rank. The others go on; where there is none, the whole stream has ended.
  private func end(_ lane: Lane, because error: RingError) {
    lane.ring.finish()
    let isLast = state.withLock {
      $0.endedLanes += 1
      return $0.endedLanes == lanes.count
    }
    if isLast {
      fail(.ring(error.description))
    } else {
      note("its stream has ended, that of the others goes on: \(error)", in: lane)
    }
  }

  /// Makes a ring anew for a `reason` that is told with its `outcome`, and tells what is lacking for as long as it cannot be.
  private func renew(
    _ lane: Lane, because reason: String, outcome: String, with upkeep: inout RingUpkeep, whileWaiting: () -> Void
  ) throws(RingError) {
    try upkeep.renew(
      isStopping: { isStopping },
      onTrouble: { lacking in
        whileWaiting()
        note("\(reason), and it cannot be made anew yet: \(lacking)", in: lane)
      })
    guard !isStopping else { return }
    note(nil, in: lane)
    onRingTrouble("rank \(lane.schedule.rank): \(reason); \(outcome)")
  }

  /// Puts the ring's file back where somebody has removed it.
  private func restoreName(of lane: Lane, with upkeep: inout RingUpkeep, whileWaiting: () -> Void) {
    do throws(RingError) {
      try renew(
        lane, because: "somebody had removed the ring's file",
        outcome: "it was made anew, and an attached reader goes on there", with: &upkeep, whileWaiting: whileWaiting)
    } catch {
      guard !isStopping else { return }
      note("somebody has removed the ring's file, and no reader can attach: \(error)", in: lane)
    }
  }

  /// Makes a ring anew that its reader has scribbled over; false where that cannot be, and the lane has ended.
  private func heal(
    _ lane: Lane, from damage: RingError, with upkeep: inout RingUpkeep, whileWaiting: () -> Void
  ) -> Bool {
    do throws(RingError) {
      guard upkeep.mayRenew else { throw damage }
      try renew(
        lane, because: damage.description, outcome: "the ring was made anew, and its reader goes on there",
        with: &upkeep, whileWaiting: whileWaiting)
      return true
    } catch {
      end(lane, because: error)
      return false
    }
  }

  /// Opens a batch in every slot that becomes free.
  private func feed(_ lane: Lane) {
    let names = lane.ring.geometry.fields.map(\.name)
    var upkeep = RingUpkeep(lane.ring)
    var isWaiting = false
    func setWaiting(_ waiting: Bool) {
      if waiting != isWaiting { state.withLock { $0.waitingFeeders += waiting ? 1 : -1 } }
      isWaiting = waiting
    }
    while !isStopping {
      if upkeep.findsNameMissing() && upkeep.mayRenew {
        restoreName(of: lane, with: &upkeep) { setWaiting(true) }
      }
      do throws(RingError) {
        guard let reservation = try lane.ring.reserve(timeout: Self.feederPatience) else {
          // Where slots are still being filled, the wait is for our own workers, and they must show progress.
          setWaiting(lane.ring.counters.producing == 0)
          lane.ring.heartbeat()
          continue
        }
        setWaiting(false)
        if let age = reservation.formerNanoseconds { metrics.addAge(ofRank: lane.schedule.rank, nanoseconds: age) }
        let memory = BatchMemory(
          for: source.recipes, at: names.map { reservation[$0].baseAddress! })
        let assembly = BatchAssembly(
          plan: lane.schedule.batch(reservation.number), memory: memory, source: source, schedule: lane.schedule,
          loader: loader)
        let job = Job(lane: lane, reservation: reservation, assembly: assembly)
        work.add(job, count: assembly.count, groupSize: assembly.groupSize)
      } catch  where error.kind == .corrupt {
        if !heal(lane, from: error, with: &upkeep, whileWaiting: { setWaiting(true) }) { break }
      } catch {
        end(lane, because: error)
        break
      }
    }
    // Whoever has ended keeps nobody waiting.
    setWaiting(true)
  }

  /// The life of worker `number`.
  private func makeImages(_ number: Int) {
    let tools = WorkerTools(for: source)
    while isWanted(number), let ticket = work.next() {
      let job = ticket.batch
      // After a failure or a seek there is no use in the images, but the tickets still have to come back.
      if failure == nil && !job.reservation.isVoid {
        var time = WorkerTime()
        do throws(StreamFailure) {
          try time.measure { () throws(StreamFailure) in try carryOut(ticket, tools: tools) }
        } catch {
          fail(error)
          // Its picture is not in its place: without this ticket the batch is never complete, and never published.
          continue
        }
        let isPreparing = ticket.stage == .prepare
        let taken = job.assembly.add(tools.times, at: ticket.position)
        metrics.add(
          tools.times, preparing: isPreparing ? time : WorkerTime(), finishing: isPreparing ? WorkerTime() : time,
          finished: isPreparing ? nil : taken)
        tools.times = PipelineMetrics.Times()
      }
      if work.complete(ticket) {
        var time = WorkerTime()
        time.measure(pieces: 0) { publish(job) }
        metrics.addPublishing(time)
      }
    }
  }

  /// One stage of one image.
  private func carryOut(_ ticket: WorkList<Job>.Ticket, tools: WorkerTools) throws(StreamFailure) {
    let assembly = ticket.batch.assembly
    switch ticket.stage {
    case .prepare: try assembly.prepare(ticket.position, tools: tools)
    case .finish:
      try assembly.finish(ticket.position, tools: tools)
      if ticket.position == assembly.count / 2 { failpoint?.reached(.picturesHalfWritten) }
    }
  }

  private func publish(_ job: Job) {
    let plan = job.assembly.plan
    do throws(RingError) {
      if failure != nil { return try job.lane.ring.cancel(job.reservation) }
      // The reader may have given the slot back, and a feeder refilled it, before `publish` even returns.
      let samples = job.assembly.drawnSamples()
      let drawn = job.assembly.drawnNumbers()
      let taken = clockNanoseconds() - job.assembly.startedNanoseconds
      let isPublished = try job.lane.ring.publish(
        job.reservation, epoch: plan.epoch, step: UInt64(plan.step), count: job.assembly.count,
        production: .nanoseconds(Int64(taken)))
      guard isPublished else { return }
      metrics.addProduction(ofRank: job.lane.schedule.rank, nanoseconds: taken)
      metrics.published(images: samples.count, replaced: samples.count { $0.replacedSampleID != nil })
      onPublished(
        Published(
          rank: job.lane.schedule.rank, slot: job.reservation.slot, plan: plan, samples: samples,
          drawn: drawn, times: job.assembly.times))
    } catch  where error.kind == .corrupt {
      // The reader has scribbled over the ring, which its feeder meets as well and mends; what it gets back, it makes again.
      try? job.lane.ring.cancel(job.reservation)
    } catch {
      fail(.ring(error.description))
    }
  }
}
