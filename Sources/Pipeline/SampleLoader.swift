import Augmentation
import Basics
import Dataset
import FoundationEssentials
import Glibc
import Imaging

/// Reads and decodes the picture of a sample, or of the one that stands in for it.
package struct SampleLoader: Sendable {
  /// How many replacements are drawn before the stream gives up.
  static let maximumReplacements = 64
  /// How many other files are tried to find out whether the machine or one file is at fault.
  private static let maximumNeighbours = 3

  private let source: StreamSource
  private let quarantine: Quarantine
  private let waiting: WaitingWorkers
  private let patience: Int
  /// Told of each bad file when it is found first: sample and reason.
  private let onBadFile: @Sendable (Int, String) -> Void

  /// A loader of the samples of `source`.
  ///
  /// - Parameters:
  ///   - quarantine: where bad files are noted.
  ///   - waiting: where it is noted that a worker waits for what the machine lacks.
  ///   - patience: for how long it waits, in seconds; then a file that alone cannot be read counts as bad.
  ///   - onBadFile: told of each bad file when it is found first.
  package init(
    source: StreamSource, quarantine: Quarantine, waiting: WaitingWorkers = WaitingWorkers(),
    patience: Int, onBadFile: @escaping @Sendable (Int, String) -> Void
  ) {
    self.source = source
    self.quarantine = quarantine
    self.waiting = waiting
    self.patience = patience
    self.onBadFile = onBadFile
  }

  /// Has all workers that wait for the machine give up, and no other begin to: the stream ends.
  package func giveUp() { waiting.giveUp() }

  /// Decodes `planned`, or its replacement, at no more than the resolution that `draws` need.
  ///
  /// - Returns: the picture, which is valid until `tools` decode the next one.
  /// - Throws: `StreamFailure` when the stream cannot go on.
  package func load(
    planned: Int, epoch: UInt64, schedule: StreamSchedule, draws: [ViewDraws], tools: WorkerTools
  ) throws(StreamFailure) -> LoadedSample {
    var sample = planned
    for attempt in 0...Self.maximumReplacements {
      if attempt > 0 {
        guard let next = schedule.replacement(for: planned, epoch: epoch, attempt: attempt - 1) else { break }
        sample = next
      }
      let reason: String
      switch try decode(sample, draws: draws, tools: tools) {
      case .loaded(let loaded): return loaded
      case .badFile(let fault): reason = fault
      }
      if quarantine.note(sample: sample, reason: reason) {
        // Told first, so that the file which is one too many is in the index too.
        onBadFile(sample, reason)
        try quarantine.checkLimit(lastReason: reason)
      }
    }
    throw .noReplacement(sample: planned, attempts: Self.maximumReplacements)
  }

  /// What came of one sample's file.
  private enum Decoded {
    case loaded(LoadedSample)
    case badFile(String)
  }

  /// Decodes one sample. Faults of the machine are waited out.
  private func decode(_ sample: Int, draws: [ViewDraws], tools: WorkerTools) throws(StreamFailure) -> Decoded {
    let began = clockNanoseconds()
    var isWaiting = false
    defer { if isWaiting { waiting.end() } }
    while true {
      switch attempt(sample, draws: draws, tools: tools) {
      case .decoded(let decoded): return decoded
      case .machineAtFault(let shortage):
        let seconds = Int((clockNanoseconds() - began) / 1_000_000_000)
        guard !waiting.isInVain else { throw .machineAtFault(shortage, seconds: seconds) }
        // Once it has been waited for in vain and others could be read, there is no use in waiting again at its next turn.
        if seconds >= patience || quarantine.holds(sample) {
          if shortage.mayConcernOneFile, isAnotherReadable(than: sample) { return .badFile(shortage.description) }
          guard seconds < patience else { throw .machineAtFault(shortage, seconds: seconds) }
        }
        if !isWaiting { waiting.begin(shortage) }
        isWaiting = true
        // What is lacking comes back when other work ends or a network recovers; asking faster would not bring it sooner.
        usleep(100_000)
      }
    }
  }

  /// Whether one of the files that follow `sample` in the catalog, which mostly lie beside it, can be read now.
  private func isAnotherReadable(than sample: Int) -> Bool {
    let count = source.catalog.count
    return (1...Self.maximumNeighbours).contains { distance in
      let other = (sample + distance) % count
      guard other != sample else { return false }
      // What is wrong with its contents does not matter: they came from the disk.
      return (try? source.catalog.bytes(of: other, limit: source.limits.maximumBytes)) != nil
    }
  }

  private enum Outcome {
    case decoded(Decoded)
    /// Nothing is known about the file, so replacing it would make another stream of this one.
    case machineAtFault(Shortage)
  }

  private func attempt(_ sample: Int, draws: [ViewDraws], tools: WorkerTools) -> Outcome {
    do {
      let file = try tools.times.measureReading {
        try source.catalog.read(sample, limit: source.limits.maximumBytes, into: &tools.file)
      }
      return .decoded(
        .loaded(try tools.times.measure(.decode) { try decode(sample, file, draws: draws, tools: tools) }))
    } catch {
      let shortage = Shortage(error, path: source.catalog.path(of: sample))
      return shortage.map(Outcome.machineAtFault) ?? .decoded(.badFile(Self.reason(for: error)))
    }
  }

  private func decode(
    _ sample: Int, _ file: UnsafeRawBufferPointer, draws: [ViewDraws], tools: WorkerTools
  ) throws(ImagingError) -> LoadedSample {
    let header = try tools.decoder.header(of: file, limits: source.limits)
    let crops = draws.map { $0.crop(ofWidth: header.width, height: header.height) }
    let sides = source.recipes.map(\.side)
    try tools.decoder.decode(
      file, header: header, reduction: .strongest(for: crops, sides: sides), into: tools.picture)
    // Here, where it can be waited for.
    for (crop, side) in zip(crops, sides) {
      try tools.pixelWorkspace.reserve(forCrop: crop, of: tools.picture, width: side)
    }
    return LoadedSample(
      sample: sample, picture: tools.picture,
      crops: crops.map { CropDraw(rectangle: $0, width: header.width, height: header.height) })
  }
}
