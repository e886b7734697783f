/// Where a server listens: an address and a port, or what the service manager has opened.
package enum ListenAddress: Sendable, Equatable, CustomStringConvertible {
  /// A host's name or address, and a port; port 0 is any that is free.
  case address(host: String, port: UInt16)
  /// The sockets that systemd hands over (`sd_listen_fds(3)`), of a `.socket` unit.
  case systemd

  /// Reads `HOST:PORT` (an address of IPv6 in brackets: `[::1]:8080`) or `systemd`.
  ///
  /// - Throws: `HTTPServerError.notAnAddress`.
  package init(_ text: String) throws(HTTPServerError) {
    if text == "systemd" {
      self = .systemd
      return
    }
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
      throw .notAnAddress(text)
    }
    var host = String(text[..<colon])
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = String(host.dropFirst().dropLast())
    } else if host.contains(":") {
      throw .notAnAddress(text)
    }
    guard !host.isEmpty else { throw .notAnAddress(text) }
    self = .address(host: host, port: port)
  }

  package var description: String {
    switch self {
    case .address(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    case .systemd: "systemd"
    }
  }
}
