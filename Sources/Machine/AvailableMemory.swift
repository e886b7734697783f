import FoundationEssentials

/// How much memory there is for files that are read again and again.
package enum AvailableMemory {
  /// Memory in bytes that programs do not need for themselves, so that files can stay in it: what the kernel calls available, or the
  /// control group's limit where that is lower; `nil` where the kernel does not say.
  package static var bytes: UInt64? {
    let text = (try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8)) ?? ""
    return bytes(ofMemoryInformation: text, limit: ControlGroup.current.memory?.value)
  }

  /// What the text of `/proc/meminfo` calls available, or `limit` where that is lower.
  package static func bytes(ofMemoryInformation text: String, limit: UInt64?) -> UInt64? {
    let title = "MemAvailable:"
    guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix(title) }),
      let kibibytes = line.dropFirst(title.count).split(separator: " ").first.flatMap({ UInt64($0) })
    else { return nil }
    return min(kibibytes * 1024, limit ?? .max)
  }
}
