import BatchRing
import Configuration
import Dataset
import FoundationEssentials
import Glibc
import Imaging
import LongWork
import Machine
import Pipeline
import Streams
import StyleTransfer

/// Looks at everything that a service with a configuration needs, without starting one or changing anything.
package struct Diagnosis {
  let configuration: ServiceConfiguration

  /// A diagnosis for the stream of a configuration.
  package init(_ configuration: ServiceConfiguration) { self.configuration = configuration }

  /// Every finding, in the order in which a start would come across them. Reading a large dataset takes its time.
  ///
  /// - Parameter progress: told how far that is.
  package func findings(progress: (WorkProgress) -> Void = { _ in }) -> [Finding] {
    let workers = configuration.workers.resolvedCount
    return [
      Checks.processor(
        path: KernelPath.selected, cores: ProcessorShare.cores, workers: workers),
      Checks.descriptors(
        limit: Self.limit(RLIMIT_NOFILE), workers: workers, ranks: configuration.batch.ranks.count),
      directory(configuration.state.resolvedDirectory, subject: "state", key: "state.directory"),
      directory(configuration.state.resolvedRuntimeDirectory, subject: "socket", key: "state.runtime_directory"),
      model(), styles(), dataset(progress), name(), sharedMemory(),
    ] + memoryLimits() + [leftRings(), removeIPC()]
  }

  /// What limits of this process or its control group have to say about the rings; nothing where the rings are no rings.
  package func memoryLimits() -> [Finding] {
    guard let sizes = try? ringSizes() else { return [] }
    let total = Self.isInMemory(configuration.ring.directory) ? sizes.reduce(0, +) : 0
    return [
      Checks.memory(
        need: MemoryNeed(rings: total, workers: configuration.workers.resolvedCount), limit: ControlGroup.current.memory
      ),
      Checks.fileSize(limit: Self.limit(RLIMIT_FSIZE), largestRing: sizes.max() ?? 0),
    ]
  }

  private static func limit(_ resource: __rlimit_resource) -> UInt64 {
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(resource.rawValue), &limit)
    return UInt64(limit.rlim_cur)
  }

  private static func isInMemory(_ directory: String) -> Bool {
    Checks.isInMemory(
      directory, mounts: (try? String(contentsOfFile: "/proc/self/mounts", encoding: .utf8)) ?? "")
  }

  /// Bytes of each rank's ring.
  private func ringSizes() throws(RingError) -> [UInt64] {
    var sizes: [UInt64] = []
    for location in locations() {
      sizes.append(
        try RingProducer.segmentBytes(
          at: location, slotCount: configuration.ring.slots, batchSize: configuration.batch.size,
          fields: BatchFields.all(
            for: configuration.viewRecipes, count: configuration.batch.size, drawn: configuration.ring.drawn),
          worldSize: configuration.batch.worldSize))
    }
    return sizes
  }

  /// Removes the rings that dead daemons of other streams left, as far as they are this user's and no
  /// trainer reads them; returns a sentence on each.
  package func removeLeftRings() -> [String] {
    LeftRing.all(in: configuration.ring.directory, except: configuration.stream.name).map { ring in
      do throws(RingError) {
        try ring.location.removeDead()
        return "removed \(ring.sentence)"
      } catch {
        return "left \(ring.sentence): \(error)"
      }
    }
  }

  private func leftRings() -> Finding {
    Checks.leftRings(LeftRing.all(in: configuration.ring.directory, except: configuration.stream.name))
  }

  private func locations() -> [RingLocation] {
    configuration.batch.ranks.map {
      RingLocation(directory: configuration.ring.directory, name: configuration.stream.name, rank: $0)
    }
  }

  private func sharedMemory() -> Finding {
    let directory = configuration.ring.directory
    var system = statvfs()
    guard statvfs(directory, &system) == 0 else {
      return .problem(
        "shared memory", "\(directory): \(String(cString: strerror(errno)))", remedy: "set ring.directory to /dev/shm")
    }
    var need: UInt64 = 0
    var reclaimed: UInt64 = 0
    do throws(RingError) {
      need = try ringSizes().reduce(0, +)
      for location in locations() {
        var present = stat()
        if stat(try location.path(), &present) == 0 { reclaimed += UInt64(present.st_blocks) * 512 }
      }
    } catch {
      return .problem("shared memory", error.description, remedy: "correct the configuration")
    }
    guard access(directory, W_OK | X_OK) == 0 else {
      return .problem("shared memory", "\(directory) cannot be written", remedy: "'chmod 1777 \(directory)' as root")
    }
    let block = UInt64(system.f_frsize)
    return Checks.sharedMemory(
      directory: directory, need: need, free: UInt64(system.f_bavail) * block + reclaimed,
      size: UInt64(system.f_blocks) * block, slots: configuration.ring.slots,
      isInMemory: Self.isInMemory(directory))
  }

  private func directory(_ path: String, subject: String, key: String) -> Finding {
    // What is not there yet is made, if the first folder above it that is there may be written.
    var present = path
    while access(present, F_OK) != 0 && errno == ENOENT && present != "/" && !present.isEmpty {
      present = URL(filePath: present).deletingLastPathComponent().path()
    }
    if present == path, let fault = ServicePlaces.fault(of: path) {
      return .problem(subject, "\(path) \(fault)", remedy: "change \(key), or have it removed")
    }
    if access(present, W_OK | X_OK) == 0 { return .ok(subject, "\(path) can be written") }
    return .problem(
      subject, "\(present) cannot be written by this user: \(String(cString: strerror(errno)))",
      remedy: "change \(key), or look as the service's user: 'sudo -u sassl sasslctl doctor'")
  }

  private func dataset(_ progress: (WorkProgress) -> Void) -> Finding {
    do {
      let catalog = try OpenedStream.catalog(configuration, progress: progress)
      for rank in configuration.batch.ranks {
        _ = try OpenedStream.schedule(configuration, of: catalog, rank: rank)
      }
      let limits = configuration.limits.decodeLimits
      let decoder = ImageDecoder(appliesOrientation: configuration.dataset.applyOrientation)
      let picture = RGBImage(width: 1, height: 1)
      // A few from all over: enough to notice missing permissions or a folder of something else.
      let tried = Set((0..<8).map { $0 * (catalog.count - 1) / 7 })
      let reasons = tried.sorted().compactMap { sample -> String? in
        do {
          let bytes = try catalog.bytes(of: sample, limit: limits.maximumBytes)
          try bytes.withUnsafeBytes { try decoder.decode($0, limits: limits, into: picture) }
          return nil
        } catch {
          return "\(catalog.path(of: sample)): \(SampleLoader.reason(for: error))"
        }
      }
      guard let first = reasons.first else {
        let leftOut = catalog.leftOut.count > 0 ? "; left out: \(catalog.leftOut)" : ""
        return .ok(
          "dataset",
          "\(configuration.dataset.name), \(catalog.count) samples, \(tried.count) of them read\(leftOut)"
        )
      }
      return .problem(
        "dataset", "\(reasons.count) of \(tried.count) samples tried cannot be used, such as \(first)",
        remedy: "make the files readable for the service's user, or repair them")
    } catch {
      return .problem("dataset", "\(error)", remedy: "correct [dataset] in the configuration")
    }
  }

  private func name() -> Finding {
    for location in locations() {
      do throws(RingError) {
        let observer = try RingObserver(at: location)
        guard observer.counters.producerIsAlive else { continue }
        return .ok("name", "'\(location.name)' is served by process \(observer.geometry.producerProcess)")
      } catch  where error.kind == .owner {
        return .problem("name", error.description, remedy: "choose another stream.name")
      } catch {
        // What is no ring is nobody's; a start replaces it, or says what is in the way.
      }
      // A producer replaces the files of its own user alone.
      var left = stat()
      if let path = try? location.path(), lstat(path, &left) == 0, left.st_uid != geteuid() {
        return .problem(
          "name", "\(path) was left by user \(FileOwner(left.st_uid)), whose sassld alone may replace it",
          remedy: "choose another stream.name, or look as the service's user: 'sudo -u sassl sasslctl doctor'")
      }
    }
    return .ok("name", "'\(configuration.stream.name)' is free")
  }

  private func removeIPC() -> Finding {
    let folders = ["/usr/lib/systemd", "/usr/local/lib/systemd", "/run/systemd", "/etc/systemd"]
    var settings: [String]?
    if FileManager.default.fileExists(atPath: "/run/systemd/seats") {
      settings = folders.flatMap { folder -> [String] in
        let extras = ((try? FileManager.default.contentsOfDirectory(atPath: folder + "/logind.conf.d")) ?? []).sorted()
        let files = [folder + "/logind.conf"] + extras.map { folder + "/logind.conf.d/" + $0 }
        return files.compactMap { try? String(contentsOfFile: $0, encoding: .utf8) }
      }
    }
    let user = getpwuid(geteuid()).map { String(cString: $0.pointee.pw_name) } ?? ""
    return Checks.removeIPC(
      settings: settings, user: geteuid(),
      lingers: FileManager.default.fileExists(atPath: "/var/lib/systemd/linger/\(user)"))
  }
}
