import Glibc

/// Why one file of a data set gave no bytes.
public enum SampleError: Error, Equatable, Sendable {
  /// The file was there when the catalog was made, or is named by the list, but is gone now.
  case vanished
  /// The file cannot be opened or read; `errno` says why.
  case unreadable(errno: Int32)
  /// The path leads to something that is not a regular file: a directory, a FIFO, a device or a socket.
  case notARegularFile
  /// The file has no bytes.
  case empty
  /// The file is larger than the limit.
  case tooLarge(bytes: Int, limit: Int)
  /// The file's size changed while it was being read.
  case changedWhileReading(bytesExpected: Int)

  /// Whether the machine is at fault and not the file, so that trying again is right and replacing the sample is not:
  /// no file descriptors or memory left.
  public var isTransient: Bool {
    switch self {
    case .unreadable(EMFILE), .unreadable(ENFILE), .unreadable(ENOMEM), .unreadable(EAGAIN): true
    default: false
    }
  }
}

extension SampleError: CustomStringConvertible {
  /// What is wrong with the file, as the end of a sentence that starts with its path.
  public var description: String {
    switch self {
    case .vanished: "no such file"
    case .unreadable(let errno): "cannot be read: \(String(cString: strerror(errno)))"
    case .notARegularFile: "is not a regular file"
    case .empty: "is empty"
    case .tooLarge(let bytes, let limit): "is \(bytes) bytes long, more than the limit of \(limit)"
    case .changedWhileReading(let bytesExpected): "changed while it was being read (\(bytesExpected) bytes expected)"
    }
  }
}
