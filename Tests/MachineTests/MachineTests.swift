import Foundation
import Machine
import Testing

@Suite("What the machine allows")
final class MachineTests {
  private let folder = NSTemporaryDirectory() + "sassl-groups-" + UUID().uuidString

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  private func write(_ path: String, _ text: String) throws {
    let file = folder + "/" + path
    try FileManager.default.createDirectory(
      atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try Data((text + "\n").utf8).write(to: URL(filePath: file))
  }

  @Test("the smallest limit of a group and those above it counts, in the second version")
  func secondVersion() throws {
    try write("system.slice/memory.max", "\(3 << 30)")
    try write("system.slice/cpu.max", "max 100000")
    try write("system.slice/job/memory.max", "max")
    try write("system.slice/job/cpu.max", "150000 100000")
    try write("system.slice/job/step/memory.max", "\(5 << 30)")
    let group = ControlGroup(
      membership: "0::/system.slice/job/step\n",
      mounts: "31 23 0:28 / \(folder) rw,relatime shared:4 - cgroup2 cgroup2 rw\n")
    #expect(group.memory?.value == 3 << 30)
    #expect(group.memory?.group == folder + "/system.slice")
    #expect(group.processors?.value == 1.5)
  }

  @Test("controllers have trees of their own in the first version, and a container sees its own group as the root")
  func firstVersion() throws {
    try write("memory/memory.limit_in_bytes", "\(256 << 20)")
    try write("cpu/memory.limit_in_bytes", "1")
    try write("cpu/cpu.cfs_quota_us", "-1")
    try write("cpu/cpu.cfs_period_us", "100000")
    try write("cpu/job/cpu.cfs_quota_us", "20000")
    try write("cpu/job/cpu.cfs_period_us", "100000")
    let group = ControlGroup(
      membership: "5:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc/job\n0::/\n",
      mounts: """
        35 31 0:32 /docker/abc \(folder)/memory rw - cgroup cgroup rw,memory
        32 31 0:29 /docker/abc \(folder)/cpu rw - cgroup cgroup rw,cpu,cpuacct

        """)
    #expect(group.memory?.value == 256 << 20)
    #expect(group.processors?.value == 0.2)
  }

  @Test("without groups, or with groups that set nothing, nothing is limited")
  func unlimited() throws {
    #expect(ControlGroup(membership: "", mounts: "nonsense\n").memory == nil)
    try write("memory/memory.limit_in_bytes", "9223372036854771712")
    let group = ControlGroup(
      membership: "5:memory:/\n", mounts: "35 31 0:32 / \(folder)/memory rw - cgroup cgroup rw,memory\n")
    #expect(group.memory == nil)
    #expect(group.processors == nil)
  }

  @Test(
    "cores are those of the mask, or as many as use up the quota",
    arguments: [(8, nil, 8), (8, 1.5, 2), (8, 0.2, 1), (2, 16, 2), (8, 8, 8)] as [(Int, Double?, Int)])
  func cores(mask: Int, quota: Double?, expected: Int) {
    #expect(ProcessorShare.cores(inMask: mask, quota: quota) == expected)
  }

  @Test("memory for files is what the kernel calls available, or a lower limit")
  func availableMemory() {
    let text = "MemTotal:       24576000 kB\nMemFree:         1000 kB\nMemAvailable:   20000000 kB\n"
    #expect(AvailableMemory.bytes(ofMemoryInformation: text, limit: nil) == 20_480_000_000)
    #expect(AvailableMemory.bytes(ofMemoryInformation: text, limit: 1 << 30) == 1 << 30)
    #expect(AvailableMemory.bytes(ofMemoryInformation: "MemTotal: 1 kB\n", limit: 1 << 30) == nil)
    #expect(AvailableMemory.bytes != nil)
  }

  @Test("the mask is read as the kernel writes it")
  func mask() {
    #expect(
      ProcessorShare.coresInMask(ofStatus: "Name:\ta\nCpus_allowed:\t3,ffffff0f\nCpus_allowed_list:\t0-3\n") == 30)
    #expect(ProcessorShare.coresInMask(ofStatus: "Name:\tCpus_allowed\n") == nil)
  }
}
