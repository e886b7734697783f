import CSystemd
import Glibc

/// Sockets that listen, before anybody answers: whoever connects waits.
package struct ListeningSockets: ~Copyable {
  /// The first descriptor that a service manager hands over; `SD_LISTEN_FDS_START` of sd-daemon.h.
  private static let firstOfSystemd: Int32 = 3
  /// Connections that may wait.
  private static let backlog: Int32 = 64

  /// What was asked for, as people write it.
  let place: ListenAddress
  private(set) var descriptors: [Int32] = []
  /// The addresses, as they stand in an address of the web: `127.0.0.1:8080`. A Unix socket has none.
  package private(set) var addresses: [String] = []
  /// Whether others than this machine can connect.
  package private(set) var isReachableFromElsewhere = false

  /// Opens them.
  ///
  /// - Throws: `HTTPServerError.cannotListen` or `.nothingFromSystemd`.
  package init(at place: ListenAddress) throws(HTTPServerError) {
    self.place = place
    switch place {
    case .address(let host, let port): descriptors = [try Self.open(host: host, port: port, named: place.description)]
    case .systemd:
      // The variables are removed, so that no child takes the sockets for its own.
      let count = sd_listen_fds(1)
      guard count > 0 else { throw .nothingFromSystemd }
      descriptors = (0..<count).map { Self.firstOfSystemd + $0 }
      for descriptor in descriptors {
        guard sd_is_socket(descriptor, AF_UNSPEC, Int32(SOCK_STREAM.rawValue), 1) > 0 else {
          throw .cannotListen(at: "descriptor \(descriptor) of systemd", reason: "it is no listening stream socket")
        }
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
      }
    }
    for descriptor in descriptors { note(descriptor) }
  }

  deinit { for descriptor in descriptors { close(descriptor) } }

  /// Hands the sockets over; they are no longer closed with this value.
  mutating func take() -> [Int32] {
    defer { descriptors = [] }
    return descriptors
  }

  private static func open(host: String, port: UInt16, named name: String) throws(HTTPServerError) -> Int32 {
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
    var found: UnsafeMutablePointer<addrinfo>?
    let refusal = getaddrinfo(host, String(port), &hints, &found)
    guard refusal == 0, let first = found else {
      throw .cannotListen(at: name, reason: String(cString: gai_strerror(refusal)))
    }
    defer { freeaddrinfo(first) }
    var reason = EADDRNOTAVAIL
    for entry in sequence(first: first, next: { $0.pointee.ai_next }) {
      let type = entry.pointee.ai_socktype | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
      let descriptor = socket(entry.pointee.ai_family, type, 0)
      if descriptor >= 0 {
        var yes: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        if bind(descriptor, entry.pointee.ai_addr, entry.pointee.ai_addrlen) == 0, listen(descriptor, backlog) == 0 {
          return descriptor
        }
      }
      reason = errno
      if descriptor >= 0 { close(descriptor) }
    }
    throw .cannotListen(at: name, reason: String(cString: strerror(reason)))
  }

  private mutating func note(_ descriptor: Int32) {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let known = withUnsafeMutableBytes(of: &storage) {
      getsockname(descriptor, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self), &length) == 0
    }
    switch Int32(storage.ss_family) {
    case AF_INET where known:
      let address = withUnsafeBytes(of: &storage) { $0.load(as: sockaddr_in.self) }
      let bytes = withUnsafeBytes(of: address.sin_addr) { Array($0) }
      addresses.append(bytes.map(String.init).joined(separator: ".") + ":\(UInt16(bigEndian: address.sin_port))")
      if bytes[0] != 127 { isReachableFromElsewhere = true }
    case AF_INET6 where known:
      var address = withUnsafeBytes(of: &storage) { $0.load(as: sockaddr_in6.self) }
      var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
      inet_ntop(AF_INET6, &address.sin6_addr, &text, socklen_t(text.count))
      let host = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      addresses.append("[\(host)]:\(UInt16(bigEndian: address.sin6_port))")
      if host != "::1" { isReachableFromElsewhere = true }
    case AF_UNIX where known:
      // Its file's permissions say who may connect.
      break
    default:
      isReachableFromElsewhere = true
    }
  }
}
