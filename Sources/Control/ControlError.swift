/// What can go wrong between `sasslctl` and the daemon.
package enum ControlError: Error, CustomStringConvertible, Sendable, Equatable {
  /// Nobody listens at that path: the daemon is not running.
  case nobodyListens(path: String)
  /// This user may not open the socket, or not even look into its directory.
  case notAllowed(path: String)
  /// Somebody listens, but gave no whole answer in time.
  case noAnswer(path: String, seconds: Int)
  /// The socket cannot be made there.
  case cannotListen(path: String, reason: String)
  /// A Unix socket's path is limited by the kernel.
  case pathTooLong(path: String, limit: Int)

  package var description: String {
    switch self {
    case .nobodyListens(let path):
      "no daemon listens at \(path); start one with 'sassld --config FILE', or check the stream's name"
    case .notAllowed(let path):
      "this user may not talk to the daemon at \(path); its group may: 'sudo usermod -aG sassl USER', then log in again"
    case .noAnswer(let path, let seconds):
      "the daemon at \(path) gave no answer within \(seconds) s; see its journal"
    case .cannotListen(let path, let reason):
      "cannot make the control socket \(path): \(reason); check state.runtime_directory"
    case .pathTooLong(let path, let limit):
      "the control socket's path \(path) is longer than \(limit) bytes; shorten state.runtime_directory or stream.name"
    }
  }
}
