/// Why a stream cannot go on.
package enum StreamFailure: Error, Sendable, CustomStringConvertible {
  /// More files are bad than the configuration allows.
  case tooManyBadFiles(bad: Int, total: Int, maximumFraction: Double, lastReason: String)
  /// A sample is bad, and so was every replacement that was drawn for it.
  case noReplacement(sample: Int, attempts: Int)
  /// The machine lacks what reading a file needs, and has for a long time.
  case machineAtFault(Shortage, seconds: Int)
  /// The system gives no thread for one of so many workers.
  case noThread(workers: Int)
  /// The style network refused.
  case style(String)
  /// The ring refused.
  case ring(String)

  package var description: String {
    switch self {
    case .tooManyBadFiles(let bad, let total, let fraction, let reason):
      "\(bad) of \(total) files cannot be used, more than limits.max_bad_fraction = \(fraction) allows (the last: \(reason)); "
        + "'sasslctl status' lists them: repair or remove them, or raise the limit"
    case .noReplacement(let sample, let attempts):
      "sample \(sample) cannot be used, and neither can any of the \(attempts) samples drawn to replace it; check the dataset"
    case .machineAtFault(let shortage, let seconds):
      "a worker has waited for \(seconds) s in vain: \(shortage)"
    case .noThread(let workers):
      "the system gives this process no thread for each of \(workers) workers; lower workers.count, or raise the limit on threads "
        + "(TasksMax=, ulimit -u, pids.max of a container) or on memory"
    case .style(let detail): "style transfer failed: \(detail)"
    case .ring(let detail): detail
    }
  }
}
