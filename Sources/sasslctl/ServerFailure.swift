import Commands
import WebServer

extension CommandFailure {
  /// A server that cannot be. It is told apart here and not with all other errors, since those are the daemon's too, which has no
  /// server and is not to load the library of one.
  init(_ error: HTTPServerError) {
    let code: ExitCode =
      switch error {
      case .notAnAddress, .needsToken: .usage
      case .cannotListen, .nothingFromSystemd: .unavailable
      case .unreadableToken, .notAToken: .noInput
      case .cannotStart: .systemResource
      }
    self.init(code, error.description)
  }
}
