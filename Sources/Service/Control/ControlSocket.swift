import Dispatch
import FoundationEssentials
import Glibc

/// A request to a running daemon: one line of JSON, answered by one line of JSON.
public enum ControlRequest: String, Codable, Sendable {
  /// Answered by a `StatusReport`.
  case status

  /// The envelope of a request on the wire, so that later versions can add keys.
  private struct Message: Codable {
    var request: ControlRequest
  }

  /// The request that a line spells; `nil` where it is none that this daemon knows.
  public init?(line: Data) {
    guard let message = try? JSONDecoder().decode(Message.self, from: line) else { return nil }
    self = message.request
  }

  /// The request as a line, without the line feed.
  public var line: Data {
    // An enum in a struct always encodes.
    try! JSONEncoder().encode(Message(request: self))
  }
}

/// What can go wrong between `sasslctl` and the daemon.
public enum ControlError: Error, CustomStringConvertible, Sendable, Equatable {
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

  public var description: String {
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

/// When an exchange has to be over. It ends whole exchanges, so a peer that sends a byte now and then cannot prolong them.
private struct Deadline {
  private let end: TimeInterval

  init(seconds: Int) { end = ProcessInfo.processInfo.systemUptime + Double(seconds) }

  /// What is left, in milliseconds; 0 when it has passed.
  var remainingMilliseconds: Int32 { Int32(max(0, ((end - ProcessInfo.processInfo.systemUptime) * 1000).rounded(.up))) }
}

/// A local stream socket, closed when the last owner lets go.
private final class Descriptor: Sendable {
  let number: Int32
  init(_ number: Int32) { self.number = number }
  deinit { close(number) }

  static func unixStream() -> Descriptor? {
    let number = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    return number < 0 ? nil : Descriptor(number)
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

private func withAddress<Result>(
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

/// The daemon's side: answers requests on a Unix socket that only the daemon's user and group can open.
public final class ControlServer: Sendable {
  /// Longest request that is read.
  static let requestLimit = 4096

  private let path: String
  private let listener: Descriptor

  /// Listens at `path`, replacing a socket that a killed daemon left there; `answer` makes each reply.
  ///
  /// The caller must already hold the stream's name, so that no running daemon's socket is replaced.
  ///
  /// - Throws: `ControlError` where the socket cannot be made.
  public init(
    path: String, answer: @escaping @Sendable (ControlRequest) -> Data
  ) throws(ControlError) {
    self.path = path
    guard let listener = Descriptor.unixStream() else {
      throw .cannotListen(path: path, reason: String(cString: strerror(errno)))
    }
    unlink(path)
    let bound = try withAddress(of: path) { bind(listener.number, $0, $1) }
    guard bound == 0, chmod(path, 0o660) == 0, listen(listener.number, 16) == 0 else {
      throw .cannotListen(path: path, reason: String(cString: strerror(errno)))
    }
    self.listener = listener
    DispatchQueue(label: "sassl.control").async {
      while true {
        let number = accept(listener.number, nil, nil)
        if number < 0 {
          switch errno {
          case EINTR, ECONNABORTED: continue
          case EINVAL, EBADF: return  // closed
          default:
            // Out of descriptors or memory: the connection stays in the queue, and may be served when there is some again.
            usleep(100_000)
            continue
          }
        }
        let connection = Descriptor(number)
        // One slow client may hold up the others for this long, and the stream not at all.
        let deadline = Deadline(seconds: 1)
        guard let line = connection.readLine(limit: Self.requestLimit, until: deadline) else { continue }
        if let request = ControlRequest(line: line) {
          _ = connection.write(line: answer(request), until: deadline)
        } else {
          _ = connection.write(
            line: Data(#"{"error":"not a request that this daemon knows"}"#.utf8), until: deadline)
        }
      }
    }
  }

  /// Stops listening and removes the socket.
  public func close() {
    // Wakes the thread that waits in accept(2).
    shutdown(listener.number, Int32(SHUT_RDWR))
    unlink(path)
  }
}

/// The side of `sasslctl`.
public enum ControlClient {
  /// Sends `request` to the daemon at `path` and returns its answer, a line of JSON.
  ///
  /// - Throws: `ControlError.nobodyListens`, `.notAllowed` or `.noAnswer`.
  public static func ask(_ request: ControlRequest, at path: String) throws(ControlError) -> Data {
    let seconds = 5
    guard let connection = Descriptor.unixStream() else { throw .nobodyListens(path: path) }
    let deadline = Deadline(seconds: seconds)
    connection.limitConnecting(seconds: seconds)
    let reason = try withAddress(of: path) { connect(connection.number, $0, $1) == 0 ? 0 : errno }
    switch reason {
    case 0: break
    case EACCES, EPERM: throw .notAllowed(path: path)
    // Others wait for an answer already, as many as the kernel queues.
    case EAGAIN: throw .noAnswer(path: path, seconds: seconds)
    default: throw .nobodyListens(path: path)
    }
    guard connection.write(line: request.line, until: deadline),
      let answer = connection.readLine(limit: 1 << 24, until: deadline)
    else {
      throw .noAnswer(path: path, seconds: seconds)
    }
    return answer
  }
}
