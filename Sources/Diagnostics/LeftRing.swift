import BatchRing
import FoundationEssentials
import Glibc

/// A ring whose daemon was killed and has had no successor: it takes memory until somebody removes it.
package struct LeftRing: Sendable {
  /// Where it is.
  package let location: RingLocation
  /// Path of its file.
  package let path: String
  /// Memory that it takes, in bytes.
  package let bytes: UInt64
  /// Whom it belongs to, by name where the user has one.
  package let owner: String
  /// Whether a trainer still has it open, to finish what is published.
  package let isRead: Bool

  /// Every such ring in a directory that this user may look at, but those of the stream `name`, which replaces its own at its start.
  ///
  /// Whether a daemon lives is known by its lock, which the kernel takes away with its last breath.
  package static func all(in directory: String, except name: String) -> [LeftRing] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
    return names.sorted().compactMap { file in
      let parts = file.split(separator: ".", omittingEmptySubsequences: false)
      guard parts.count == 3, parts[0] == "sassl", parts[1] != name, let rank = Int(parts[2]) else { return nil }
      return LeftRing(at: RingLocation(directory: directory, name: String(parts[1]), rank: rank))
    }
  }

  /// What is left at `location`; `nil` where nothing is, or a daemon lives.
  private init?(at location: RingLocation) {
    var status = stat()
    guard let path = try? location.path(), stat(path, &status) == 0, let observer = try? RingObserver(at: location)
    else { return nil }
    let counters = observer.counters
    if counters.producerIsAlive { return nil }
    self.location = location
    self.path = path
    bytes = UInt64(status.st_blocks) * 512
    owner = getpwuid(status.st_uid).map { String(cString: $0.pointee.pw_name) } ?? "user \(status.st_uid)"
    isRead = counters.consumerIsAlive
  }

  /// Path, size and owner on one line.
  package var sentence: String {
    "\(path) (\(Checks.mebibytes(bytes)) of \(owner)\(isRead ? ", still read by a trainer" : ""))"
  }
}
