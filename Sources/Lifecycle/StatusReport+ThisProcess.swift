import Basics
import Configuration
import Control
import FoundationEssentials
import Glibc
import StyleTransfer

extension StatusReport {
  /// What a daemon can say of itself at any time, whether or not its stream is open.
  init(ofThisProcess configuration: ServiceConfiguration, state: State, detail: String, startedAt: Moment) {
    self.init(of: configuration, state: state, detail: detail)
    process = getpid()
    startedAtSeconds = startedAt.date.timeIntervalSince1970
    uptimeSeconds = startedAt.secondsSince
    cpuPath = KernelPath.selected
    residentBytes = Self.residentBytes()
  }

  /// Resident memory of this process from `/proc/self/statm`, in bytes; 0 where that cannot be read.
  private static func residentBytes() -> Int {
    guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return 0 }
    let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
  }
}
