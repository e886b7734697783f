import Augmentation
import Dataset
import Foundation
import Imaging

/// Reads and decodes the picture of a sample, or of the one that stands in for it.
package struct SampleLoader: Sendable {
  /// How many replacements are drawn before the stream gives up.
  static let maximumReplacements = 64
  /// For how long reading is tried again while the machine is at fault, in seconds.
  static let patience = 60

  private let source: StreamSource
  private let quarantine: Quarantine
  /// Told of each bad file when it is found first: sample and reason.
  private let onBadFile: @Sendable (Int, String) -> Void

  package init(
    source: StreamSource, quarantine: Quarantine, onBadFile: @escaping @Sendable (Int, String) -> Void
  ) {
    self.source = source
    self.quarantine = quarantine
    self.onBadFile = onBadFile
  }

  /// Decodes `planned`, or its replacement, into the worker's picture, at no more than the resolution that `draws` need.
  ///
  /// - Returns: the sample whose picture it is.
  /// - Throws: `StreamFailure` when the stream cannot go on.
  package func load(
    planned: Int, epoch: UInt64, schedule: StreamSchedule, draws: [ViewDraws], tools: WorkerTools
  ) throws(StreamFailure) -> Int {
    var sample = planned
    for attempt in 0...Self.maximumReplacements {
      if attempt > 0 {
        guard let next = schedule.replacement(for: planned, epoch: epoch, attempt: attempt - 1) else { break }
        sample = next
      }
      guard let reason = try decode(sample, draws: draws, tools: tools) else { return sample }
      if quarantine.note(sample: sample, reason: reason) {
        // Told first, so that the file which is one too many is in the index too.
        onBadFile(sample, reason)
        try quarantine.checkLimit(lastReason: reason)
      }
    }
    throw .noReplacement(sample: planned, attempts: Self.maximumReplacements)
  }

  /// Decodes one sample; returns what is wrong with its file, or `nil`. Faults of the machine are waited out.
  private func decode(_ sample: Int, draws: [ViewDraws], tools: WorkerTools) throws(StreamFailure) -> String? {
    let deadline = ProcessInfo.processInfo.systemUptime + Double(Self.patience)
    while true {
      switch attempt(sample, draws: draws, tools: tools) {
      case .decoded: return nil
      case .badFile(let reason): return reason
      case .machineAtFault(let detail):
        guard ProcessInfo.processInfo.systemUptime <= deadline else {
          throw .machineAtFault(detail: detail, seconds: Self.patience)
        }
        // Descriptors and memory come back when other work ends; asking faster would not bring them sooner.
        usleep(100_000)
      }
    }
  }

  private enum Outcome {
    case decoded
    case badFile(String)
    /// Nothing is known about the file, so replacing it would make another stream of this one.
    case machineAtFault(String)
  }

  private func attempt(_ sample: Int, draws: [ViewDraws], tools: WorkerTools) -> Outcome {
    do throws(SampleError) {
      let bytes = try tools.times.measure(.read) { () throws(SampleError) in
        try source.catalog.bytes(of: sample, limit: source.limits.maximumBytes)
      }
      return tools.times.measure(.decode) { decode(bytes, draws: draws, tools: tools) }
    } catch {
      return error.isTransient ? .machineAtFault(error.description) : .badFile(error.description)
    }
  }

  private func decode(_ bytes: [UInt8], draws: [ViewDraws], tools: WorkerTools) -> Outcome {
    let recipes = source.recipes
    let limits = source.limits
    return bytes.withUnsafeBytes { file -> Outcome in
      do throws(ImagingError) {
        let header = try tools.decoder.header(of: file, limits: limits)
        let crops = draws.map { $0.crop(ofWidth: header.width, height: header.height) }
        let side = recipes.map(\.side).max()!
        let reduction = DecodeReduction.strongest(for: crops, width: side, height: side)
        try tools.decoder.decode(file, limits: limits, reduction: reduction, into: tools.picture)
        return .decoded
      } catch {
        if case .codecUnavailable = error { return .machineAtFault(error.description) }
        return .badFile(error.description)
      }
    }
  }
}
