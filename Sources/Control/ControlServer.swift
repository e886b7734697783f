import Dispatch
import FoundationEssentials
import Glibc

/// The daemon's side: answers requests on a Unix socket that only the daemon's user and group can open.
package final class ControlServer: Sendable {
  /// Longest request that is read.
  static let requestLimit = 4096

  private let path: String
  private let listener: LocalSocket

  /// Listens at `path`, replacing a socket that a killed daemon left there; `answer` makes each reply.
  ///
  /// The caller must already hold the stream's name, so that no running daemon's socket is replaced.
  ///
  /// - Throws: `ControlError` where the socket cannot be made.
  package init(
    path: String, answer: @escaping @Sendable (ControlRequest) -> Data
  ) throws(ControlError) {
    self.path = path
    guard let listener = LocalSocket.unixStream() else {
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
        let connection = LocalSocket(number)
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
  package func close() {
    // Wakes the thread that waits in accept(2).
    shutdown(listener.number, Int32(SHUT_RDWR))
    unlink(path)
  }
}
