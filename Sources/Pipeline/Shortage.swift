import Basics
import Dataset
import FoundationEssentials
import Glibc
import Imaging

/// What the machine lacks or fails to do for one file, and what to do about it. Nothing is known about the file itself.
package struct Shortage: Sendable, Equatable, CustomStringConvertible {
  /// One sentence without its full stop.
  package let description: String
  /// Whether it is the file's own fault where others can be read for as long as this one cannot.
  let mayConcernOneFile: Bool

  /// What `error` says that reading or decoding the file at `path` lacked; `nil` where the file is at fault.
  package init?(_ error: any Error, path: BytePath) {
    switch error {
    case let error as SampleError where error.isTransient:
      description = "\(path) \(error.description); \(Self.remedy(for: error))"
      mayConcernOneFile = error.mayConcernOneFile
    case ImagingError.outOfMemory(let detail):
      description = "\(path) cannot be decoded: no memory (\(detail)); \(Self.memoryRemedy)"
      mayConcernOneFile = false
    default: return nil
    }
  }

  private static func remedy(for error: SampleError) -> String {
    switch error {
    case .unreadable(EMFILE): "raise the process's limit on open files (LimitNOFILE=, ulimit -n)"
    case .unreadable(ENFILE): "close files of other programs, or raise fs.file-max"
    case .unreadable(ENOMEM): memoryRemedy
    case .unreadable(EAGAIN), .unreadable(EBUSY): "find out who keeps the file busy"
    case .datasetAway: "mount it again, or put it back"
    default: "look after the disk, or the network and its server ('dmesg' may say more)"
    }
  }

  private static let memoryRemedy =
    "free memory, raise the process's limit on it (LimitAS=, ulimit -v) or lower workers.count"
}
