import FoundationEssentials
import Glibc

/// The side of `sasslctl`.
package enum ControlClient {
  /// Sends `request` to the daemon at `path` and returns its answer, a line of JSON.
  ///
  /// - Throws: `ControlError.nobodyListens`, `.notAllowed` or `.noAnswer`.
  package static func ask(_ request: ControlRequest, at path: String) throws(ControlError) -> Data {
    let seconds = 5
    guard let connection = LocalSocket.unixStream() else { throw .nobodyListens(path: path) }
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
