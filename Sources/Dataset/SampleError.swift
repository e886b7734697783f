import Basics
import Glibc

/// Why one file of a data set gave no bytes.
package enum SampleError: Error, Equatable, Sendable {
  /// The folder that holds the whole data set is not there, or another file system is in its place: nothing is known about the file.
  case datasetAway
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
  /// The shard that holds the sample is not the one that its table was made of.
  case shardChanged
  /// The shard holds the sample with its zeros left out.
  case sparse
  /// The file's size changed while it was being read.
  case changedWhileReading(bytesExpected: Int)

  /// Whether the machine is at fault, so that trying again is right and replacing the sample is not.
  ///
  /// No descriptors or memory are left, a network or its server is away, a disk gives an error.
  package var isTransient: Bool {
    switch self {
    case .datasetAway: true
    case .unreadable(let errno): isFaultOfTheMachine(errno: errno)
    default: false
    }
  }

  /// Whether the machine's answer may in truth be about this one file: a bad sector, or a handle that the server has forgotten.
  /// Where other files can be read all the while, it is.
  package var mayConcernOneFile: Bool {
    switch self {
    case .unreadable(EMFILE), .unreadable(ENFILE), .unreadable(ENOMEM), .unreadable(EAGAIN): false
    case .unreadable: isTransient
    default: false
    }
  }
}

extension SampleError: CustomStringConvertible {
  /// What is wrong with the file, as the end of a sentence that starts with its path.
  package var description: String {
    switch self {
    case .datasetAway: "cannot be read: the data set's folder is not there, or another file system is in its place"
    case .vanished: "no such file"
    case .unreadable(let errno): "cannot be read: \(String(cString: strerror(errno)))"
    case .notARegularFile: "is not a regular file"
    case .empty: "is empty"
    case .tooLarge(let bytes, let limit): "is \(bytes) bytes long, more than the limit of \(limit)"
    case .shardChanged: "its shard was changed after its table was made; start sassld again"
    case .sparse: "is stored as a sparse file; pack the shard without --sparse"
    case .changedWhileReading(let bytesExpected): "changed while it was being read (\(bytesExpected) bytes expected)"
    }
  }
}
