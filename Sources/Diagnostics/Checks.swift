import FoundationEssentials
import Glibc
import Machine

/// What `sasslctl doctor` makes of the numbers and texts that it collects; each check is a function of its arguments alone.
package enum Checks {
  /// The instruction set of the style kernels.
  package static func processor(path: String, cores: Int, workers: Int) -> Finding {
    if path == "portable" {
      return .warning(
        "processor", "no AVX2: style transfer runs on the portable kernels, several times slower",
        remedy: "use a processor with AVX2 or AVX-512, or unset SASSL_CPU")
    }
    if workers > cores {
      return .warning(
        "processor", "\(workers) workers on \(cores) cores, \(path) kernels",
        remedy: "set workers.count to \(cores) or less, unless reading files is what takes the time")
    }
    return .ok("processor", "\(path) kernels, \(workers) workers on \(cores) cores")
  }

  /// Shared memory against what the rings take.
  ///
  /// - Parameters:
  ///   - need: bytes of all rings together.
  ///   - free: bytes that are free, those of rings that are replaced at start included.
  ///   - slots: batches in each ring.
  package static func sharedMemory(
    directory: String, need: UInt64, free: UInt64, size: UInt64, slots: Int, isInMemory: Bool
  ) -> Finding {
    let subject = "shared memory"
    let facts = "the rings take \(mebibytes(need)) of \(mebibytes(free)) free in \(directory)"
    if need > free {
      let fitting = Int(free / max(1, need / UInt64(slots)))
      let lower = fitting >= 2 ? "set ring.slots to \(fitting) or less" : "lower batch.size"
      let remove = need < size ? "remove what else lies there, " : ""
      // What lies there already stays beside the rings.
      let whole = size - min(size, free) + need
      return .problem(
        subject, facts,
        remedy: "\(lower), \(remove)or give \(directory) \(mebibytes(whole)): "
          + "'mount -o remount,size=\(mebibytes(whole, unit: "m")) \(directory)', "
          + "of a container --shm-size=\(mebibytes(whole, unit: "m")), "
          + "of a volume in Kubernetes sizeLimit: \(mebibytes(whole, unit: "Mi"))"
      ).needing(fileSystemBytes: whole)
    }
    if !isInMemory {
      return .warning(
        subject, "\(facts), which is no file system in memory: every batch is written to a disk",
        remedy: "set ring.directory to /dev/shm")
    }
    return .ok(subject, facts)
  }

  /// Whether a directory lies in memory, by the text of `/proc/self/mounts`.
  package static func isInMemory(_ directory: String, mounts: String) -> Bool {
    let fileSystems = mounts.split(separator: "\n").map { $0.split(separator: " ") }.filter { $0.count >= 3 }
    // The deepest mount above it counts, and of several at the same place the last.
    let above = fileSystems.filter { (directory + "/").hasPrefix($0[1] == "/" ? "/" : $0[1] + "/") }
    let deepest = above.map(\.[1].count).max()
    return above.last { $0[1].count == deepest }?[2] == "tmpfs"
  }

  /// The control group's memory against what rings and workers take; everything in shared memory counts against it.
  package static func memory(need: MemoryNeed, limit: ControlGroup.Limit<UInt64>?) -> Finding {
    let subject = "memory"
    let facts =
      "rings take \(mebibytes(need.rings)), with \(need.workers) workers about \(mebibytes(need.total)) in all"
    guard let limit else { return .ok(subject, "\(facts), and no control group sets a limit") }
    if need.total > limit.value {
      return .problem(
        subject, "\(facts), but the control group \(limit.group) allows \(mebibytes(limit.value))",
        remedy: "raise the limit (docker --memory, SLURM --mem, MemoryMax= in the unit), "
          + "or lower ring.slots, batch.size, views.side or workers.count")
    }
    return .ok(subject, "\(facts), \(mebibytes(limit.value)) allowed by the control group \(limit.group)")
  }

  /// Rings of other streams whose daemons are dead.
  package static func leftRings(_ rings: [LeftRing]) -> Finding {
    let subject = "dead rings"
    if rings.isEmpty { return .ok(subject, "no daemon that was killed has left a ring of another stream") }
    return .warning(
      subject, "left by daemons that are dead: " + rings.map(\.sentence).joined(separator: ", "),
      remedy: "start those streams again, or remove them with 'sasslctl doctor --remove-dead-rings'; "
        + "their readers' places go with them")
  }

  /// The largest file that the process may write against the largest ring.
  ///
  /// - Parameter limit: in bytes; `UInt64.max` for none.
  package static func fileSize(limit: UInt64, largestRing: UInt64) -> Finding {
    let subject = "file size"
    if limit == .max { return .ok(subject, "not limited") }
    if limit < largestRing {
      return .problem(
        subject,
        "a ring is a file of \(mebibytes(largestRing)), and this process may write at most \(limit) bytes to one",
        remedy: "'ulimit -f unlimited', or LimitFSIZE=infinity in the unit, "
          + "or lower ring.slots, batch.size or views.side")
    }
    return .ok(subject, "\(mebibytes(limit)) allowed, the largest ring takes \(mebibytes(largestRing))")
  }

  /// How many descriptors the process may have open.
  package static func descriptors(limit: UInt64, workers: Int, ranks: Int) -> Finding {
    // Each worker reads one file at a time; the rest is the index, the socket, its callers and the rings.
    let need = UInt64(workers + 4 * ranks + 64)
    return limit >= need
      ? .ok("descriptors", "\(limit) allowed, \(need) are plenty")
      : .problem(
        "descriptors", "only \(limit) files may be open at once, and \(need) may be needed",
        remedy: "'ulimit -n \(need)', or LimitNOFILE= in the unit")
  }

  /// Whether logind deletes the rings when their owner logs out.
  ///
  /// - Parameters:
  ///   - settings: the texts of logind.conf and its drop-ins in the order in which they apply; `nil` where logind does not run.
  ///   - user: owner of the rings.
  ///   - lingers: whether the user's services outlive the last session.
  package static func removeIPC(settings: [String]?, user: UInt32, lingers: Bool) -> Finding {
    let subject = "logind"
    guard let settings else { return .ok(subject, "does not run here, so nothing removes rings at logout") }
    // Debian's default is to remove, and system users are spared.
    if user < 1000 || user == 65534 { return .ok(subject, "spares the rings of system users") }
    let values = settings.flatMap { $0.split(whereSeparator: \.isNewline) }.compactMap { line -> String? in
      let parts = line.filter { !$0.isWhitespace }.split(separator: "=", maxSplits: 1)
      return parts.count == 2 && parts[0] == "RemoveIPC" ? parts[1].lowercased() : nil
    }
    if let last = values.last, ["no", "false", "off", "0"].contains(last) { return .ok(subject, "RemoveIPC=no") }
    if lingers { return .ok(subject, "RemoveIPC=yes, but this user lingers") }
    return .warning(
      subject, "RemoveIPC=yes: the rings of this user vanish when the user's last session ends",
      remedy:
        "run it as the system service, or 'loginctl enable-linger', or set RemoveIPC=no in /etc/systemd/logind.conf")
  }

  static func mebibytes(_ bytes: UInt64, unit: String = " MiB") -> String {
    "\((bytes + (1 << 20) - 1) >> 20)\(unit)"
  }
}
