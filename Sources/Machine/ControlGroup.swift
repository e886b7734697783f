import FoundationEssentials

/// What the control groups around this process allow it: a container's, a job scheduler's, systemd's.
///
/// Limits hold for everything below them, so of a group and all groups above it the smallest counts. Both versions of control groups
/// are read; only where neither is mounted is nothing known.
package struct ControlGroup: Sendable {
  /// A limit, and the group that sets it.
  package struct Limit<Value: Comparable & Sendable>: Sendable {
    /// How much is allowed.
    package let value: Value
    /// The directory of the group.
    package let group: String

    /// A limit of `value` that is set by `group`.
    package init(value: Value, group: String) {
      self.value = value
      self.group = group
    }
  }

  /// The directories of the group and those above it, by the controller that they are for: `""` for the second version's, which
  /// has all of them.
  private let directories: [String: [String]]

  /// The groups of this process.
  package static var current: ControlGroup {
    func text(_ path: String) -> String { (try? String(contentsOfFile: path, encoding: .utf8)) ?? "" }
    return ControlGroup(membership: text("/proc/self/cgroup"), mounts: text("/proc/self/mountinfo"))
  }

  /// The groups that the texts of `/proc/PID/cgroup` and `/proc/PID/mountinfo` tell of.
  package init(membership: String, mounts: String) {
    var paths: [String: String] = [:]
    for line in membership.split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { continue }
      for controller in parts[1].split(separator: ",", omittingEmptySubsequences: false) {
        paths[String(controller)] = String(parts[2])
      }
    }
    var directories: [String: [String]] = [:]
    for line in mounts.split(separator: "\n") {
      // "ID PARENT DEVICE ROOT MOUNTPOINT OPTIONS [TAGS] - TYPE SOURCE SUPEROPTIONS"
      let halves = line.split(separator: " - ", maxSplits: 1)
      guard halves.count == 2 else { continue }
      let front = halves[0].split(separator: " ")
      let back = halves[1].split(separator: " ")
      guard front.count >= 5, back.count >= 3 else { continue }
      let controllers: [String]
      switch back[0] {
      case "cgroup2": controllers = [""]
      case "cgroup": controllers = back[2].split(separator: ",").map(String.init)
      default: continue
      }
      for controller in controllers {
        guard let path = paths[controller] else { continue }
        directories[controller] = Self.upwards(from: path, root: String(front[3]), mountPoint: String(front[4]))
      }
    }
    self.directories = directories
  }

  /// The directories from that of the group at `path` up to the mount point, which shows the group `root`.
  private static func upwards(from path: String, root: String, mountPoint: String) -> [String] {
    let prefix = root == "/" ? "" : root
    // A container may see the whole machine's path without seeing the groups above its own; then its own is the root.
    let relative = path.hasPrefix(prefix + "/") ? String(path.dropFirst(prefix.count)) : ""
    var components = relative.split(separator: "/")
    var found: [String] = []
    while true {
      found.append(([mountPoint] + components.map(String.init)).joined(separator: "/"))
      if components.isEmpty { return found }
      components.removeLast()
    }
  }

  /// The most memory in bytes that all processes of the group may have together, shared memory and file cache included; `nil`
  /// for no limit.
  package var memory: Limit<UInt64>? {
    smallest("", "memory.max") ?? smallest("memory", "memory.limit_in_bytes")
  }

  private func smallest(_ controller: String, _ file: String) -> Limit<UInt64>? {
    (directories[controller] ?? []).compactMap { group -> Limit<UInt64>? in
      // Without a limit it says "max", or in the first version a number near the largest that there is.
      guard let value = Self.line(group, file).flatMap({ UInt64($0) }), value < 1 << 60 else { return nil }
      return Limit(value: value, group: group)
    }.min { $0.value < $1.value }
  }

  /// How many processors' time the group may take, 1.5 for one and a half; `nil` for no limit.
  package var processors: Limit<Double>? {
    let second = (directories[""] ?? []).compactMap { group -> Limit<Double>? in
      let numbers = Self.line(group, "cpu.max")?.split(separator: " ").map { Double($0) } ?? []
      guard numbers.count == 2, let quota = numbers[0], let period = numbers[1], period > 0 else { return nil }
      return Limit(value: quota / period, group: group)
    }
    let first = (directories["cpu"] ?? []).compactMap { group -> Limit<Double>? in
      // Without a limit the quota is -1.
      guard let quota = Self.line(group, "cpu.cfs_quota_us").flatMap({ Double($0) }), quota > 0,
        let period = Self.line(group, "cpu.cfs_period_us").flatMap({ Double($0) }), period > 0
      else { return nil }
      return Limit(value: quota / period, group: group)
    }
    return (second + first).min { $0.value < $1.value }
  }

  private static func line(_ group: String, _ file: String) -> String? {
    (try? String(contentsOfFile: group + "/" + file, encoding: .utf8))?.split(separator: "\n").first.map(String.init)
  }
}
