import Diagnostics
import Machine
import Testing

@Suite("What the doctor makes of what it finds")
struct ChecksTests {
  private let mebibyte: UInt64 = 1 << 20

  private func memory(need: UInt64, free: UInt64, size: UInt64, slots: Int = 8, isInMemory: Bool = true) -> Finding {
    Checks.sharedMemory(
      directory: "/dev/shm", need: need * mebibyte, free: free * mebibyte, size: size * mebibyte, slots: slots,
      isInMemory: isInMemory)
  }

  @Test("shared memory: what does not fit is a problem, with the number of slots that would")
  func sharedMemory() throws {
    #expect(memory(need: 80, free: 80, size: 100).verdict == .ok)
    let full = memory(need: 80, free: 79, size: 100)
    #expect(full.verdict == .problem)
    #expect(try #require(full.remedy).contains("ring.slots to 7"))
    #expect(try #require(full.remedy).contains("remove what else lies there"))
    // Nothing to remove makes this one fit.
    let small = memory(need: 80, free: 64, size: 64)
    let remedy = try #require(small.remedy)
    #expect(!remedy.contains("remove"))
    #expect(remedy.contains("mount -o remount,size=80m /dev/shm"))
    #expect(remedy.contains("--shm-size=80m"))
    #expect(remedy.contains("sizeLimit: 80Mi"))
    #expect(small.fileSystemBytes == 80 * mebibyte)
    // What lies there already stays.
    #expect(full.fileSystemBytes == 101 * mebibyte)
    #expect(memory(need: 80, free: 80, size: 100).fileSystemBytes == nil)
    // A ring has at least two slots.
    #expect(try #require(memory(need: 80, free: 15, size: 64).remedy).contains("batch.size"))
    #expect(memory(need: 80, free: 800, size: 900, isInMemory: false).verdict == .warning)
  }

  @Test(
    "a directory lies in memory when the deepest mount above it is a tmpfs",
    arguments: [
      ("/dev/shm", true), ("/dev/shm/rings", true), ("/dev/shmooze", false), ("/srv", false), ("/srv/ram", true),
      ("/srv/ram/disk", false),
    ])
  func inMemory(directory: String, expected: Bool) {
    let mounts = """
      /dev/vda / ext4 rw 0 0
      devtmpfs /dev devtmpfs rw 0 0
      tmpfs /dev/shm tmpfs rw 0 0
      /dev/vdb /srv/ram ext4 rw 0 0
      tmpfs /srv/ram tmpfs rw 0 0
      /dev/vdc /srv/ram/disk xfs rw 0 0
      """
    #expect(Checks.isInMemory(directory, mounts: mounts) == expected)
  }

  @Test("processor: portable kernels and more workers than cores are warnings")
  func processor() {
    #expect(Checks.processor(path: "avx512", cores: 8, workers: 8).verdict == .ok)
    #expect(Checks.processor(path: "avx2", cores: 8, workers: 9).verdict == .warning)
    #expect(Checks.processor(path: "portable", cores: 8, workers: 8).verdict == .warning)
  }

  @Test("descriptors: too few for the workers is a problem")
  func descriptors() {
    #expect(Checks.descriptors(limit: 1024, workers: 64, ranks: 8).verdict == .ok)
    #expect(Checks.descriptors(limit: 64, workers: 8, ranks: 1).verdict == .problem)
  }

  @Test(
    "logind: only a user's rings that would really vanish are worth a warning",
    arguments: [
      (nil, 1000, false, Finding.Verdict.ok),
      ([], 1000, false, .warning),
      ([], 1000, true, .ok),
      ([], 0, false, .ok), ([], 999, false, .ok),
      (["[Login]\n#RemoveIPC=no\n"], 1000, false, .warning),
      (["[Login]\nRemoveIPC=no\n"], 1000, false, .ok),
      (["[Login]\nRemoveIPC=no\n", "[Login]\nRemoveIPC = yes\n"], 1000, false, .warning),
    ] as [([String]?, UInt32, Bool, Finding.Verdict)])
  func removeIPC(settings: [String]?, user: UInt32, lingers: Bool, expected: Finding.Verdict) {
    #expect(Checks.removeIPC(settings: settings, user: user, lingers: lingers).verdict == expected)
  }

  @Test("memory and file size: what cannot fit is a problem that names the limit and the keys")
  func limits() throws {
    let need = MemoryNeed(rings: 300 << 20, workers: 2)
    let small = Checks.memory(need: need, limit: ControlGroup.Limit(value: 256 << 20, group: "/sys/fs/cgroup/job"))
    #expect(small.verdict == .problem)
    #expect(small.found.contains("/sys/fs/cgroup/job allows 256 MiB"), "\(small.found)")
    #expect(try #require(small.remedy).contains("ring.slots"))
    #expect(Checks.memory(need: need, limit: ControlGroup.Limit(value: 4 << 30, group: "/a")).verdict == .ok)
    #expect(Checks.memory(need: need, limit: nil).verdict == .ok)
    #expect(Checks.fileSize(limit: 1 << 20, largestRing: 2 << 20).verdict == .problem)
    #expect(Checks.fileSize(limit: 2 << 20, largestRing: 2 << 20).verdict == .ok)
    #expect(Checks.fileSize(limit: .max, largestRing: 2 << 20).verdict == .ok)
  }
}
