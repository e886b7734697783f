import FoundationEssentials
import Glibc

/// When an exchange has to be over. It ends whole exchanges, so a peer that sends a byte now and then cannot prolong them.
struct Deadline {
  private let end: TimeInterval

  init(seconds: Int) { end = ProcessInfo.processInfo.systemUptime + Double(seconds) }

  /// What is left, in milliseconds; 0 when it has passed.
  var remainingMilliseconds: Int32 { Int32(max(0, ((end - ProcessInfo.processInfo.systemUptime) * 1000).rounded(.up))) }
}

/// A local stream socket, closed when the last owner lets go.
final class LocalSocket: Sendable {
  let number: Int32
  init(_ number: Int32) { self.number = number }
  deinit { close(number) }

  static func unixStream() -> LocalSocket? {
    let number = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    return number < 0 ? nil : LocalSocket(number)
  }

  /// Limits how long connecting waits for a peer whose queue is full.
  func limitConnecting(seconds: Int) {
    var limit = timeval(tv_sec: seconds, tv_usec: 0)
    setsockopt(number, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
  }

  /// Waits until something of `events` is possible; false when the deadline came first.
  private func waits(for events: Int32, until deadline: Deadline) -> Bool {
    var entry = pollfd(fd: number, events: Int16(events), revents: 0)
    while true {
      let count = poll(&entry, 1, deadline.remainingMilliseconds)
      if count < 0 && errno == EINTR { continue }
      return count > 0
    }
  }

  /// Reads until a line feed, the end, or `limit` bytes; `nil` where no whole line came in time.
  func readLine(limit: Int, until deadline: Deadline) -> Data? {
    var line = Data()
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while line.count < limit {
      guard waits(for: POLLIN, until: deadline) else { return nil }
      let count = recv(number, &chunk, chunk.count, Int32(MSG_DONTWAIT))
      if count < 0 && (errno == EINTR || errno == EAGAIN) { continue }
      guard count > 0 else { return nil }
      line.append(contentsOf: chunk[..<count])
      if line.last == UInt8(ascii: "\n") { return line.dropLast() }
    }
    return nil
  }

  /// Writes a line and its line feed; false where the peer did not take all of it in time.
  func write(line: Data, until deadline: Deadline) -> Bool {
    let bytes = [UInt8](line) + [UInt8(ascii: "\n")]
    var sent = 0
    while sent < bytes.count {
      guard waits(for: POLLOUT, until: deadline) else { return false }
      let rest = bytes[sent...]
      let count = rest.withUnsafeBytes {
        send(number, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
      }
      if count < 0 && (errno == EINTR || errno == EAGAIN) { continue }
      guard count > 0 else { return false }
      sent += count
    }
    return true
  }
}

func withAddress<Result>(
  of path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
) throws(ControlError) -> Result {
  var address = sockaddr_un()
  address.sun_family = sa_family_t(AF_UNIX)
  let limit = MemoryLayout.size(ofValue: address.sun_path) - 1
  guard path.utf8.count <= limit else { throw .pathTooLong(path: path, limit: limit) }
  withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
  return withUnsafePointer(to: &address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
  }
}
