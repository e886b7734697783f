/// Why a server could not be started.
package enum HTTPServerError: Error, CustomStringConvertible, Sendable, Equatable {
  /// The text is no address to listen at.
  case notAnAddress(String)
  /// The host has no address here, or none that one can listen at.
  case cannotListen(at: String, reason: String)
  /// The service manager has handed over nothing to listen at.
  case nothingFromSystemd
  /// Others can reach the address, so that whoever asks must be known.
  case needsToken(address: String)
  /// The file of the token cannot be read.
  case unreadableToken(file: String, reason: String)
  /// The file holds no token.
  case notAToken(file: String)
  /// No threads or descriptors are left for the server.
  case cannotStart(address: String)

  package var description: String {
    switch self {
    case .notAnAddress(let text):
      "'\(text)' is nothing to listen at: HOST:PORT is, such as 127.0.0.1:8080 or [::1]:8080 (port 0 is any that is free), or systemd"
    case .cannotListen(let address, let reason):
      "cannot listen at \(address): \(reason)"
    case .nothingFromSystemd:
      "systemd has handed over no listening socket; start this from a .socket unit, or name HOST:PORT"
    case .needsToken(let address):
      "others can reach \(address), so it needs a token; listen at 127.0.0.1, or give a file with a token"
    case .unreadableToken(let file, let reason):
      "cannot read the token in \(file): \(reason)"
    case .notAToken(let file):
      "\(file) holds no token: one is \(AccessToken.lengths.lowerBound) to \(AccessToken.lengths.upperBound) letters, digits or any of "
        + "-._~+/= on one line; 'openssl rand -hex 16' makes one"
    case .cannotStart(let address):
      "cannot start the server at \(address): the system has no threads or descriptors left"
    }
  }
}
