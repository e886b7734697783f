import FoundationEssentials

/// How many of the machine's processors this process may use.
package enum ProcessorShare {
  /// The cores of the affinity mask, or fewer where a control group has a quota of processor time; at least 1.
  package static var cores: Int { cores(inMask: maskedCores, quota: ControlGroup.current.processors?.value) }

  /// As many cores as are in the mask, but no more than are needed to use up `quota` processors' time.
  package static func cores(inMask: Int, quota: Double?) -> Int {
    let allowed = quota.map { $0 < Double(inMask) ? Int($0.rounded(.up)) : inMask } ?? inMask
    return max(1, allowed)
  }

  /// Cores in the affinity mask: what taskset, a scheduler or a container's set of processors leaves.
  private static var maskedCores: Int {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    return coresInMask(ofStatus: status) ?? ProcessInfo.processInfo.activeProcessorCount
  }

  /// Cores in the mask that the text of `/proc/PID/status` tells of; `nil` where it has none.
  package static func coresInMask(ofStatus text: String) -> Int? {
    let title = "Cpus_allowed:"
    guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix(title) }) else { return nil }
    // Hexadecimal digits with commas between groups of eight.
    let count = line.dropFirst(title.count).reduce(0) { $0 + ($1.hexDigitValue?.nonzeroBitCount ?? 0) }
    return count > 0 ? count : nil
  }
}
