import BatchRing
import Configuration
import Control
import Foundation
import Imaging
import Lifecycle
import Testing

/// A folder in memory's own file system with pictures and a configuration for them.
private final class Workplace {
  let folder = "/dev/shm/sassl-daemon-" + UUID().uuidString
  var configurationPath: String { folder + "/sassld.toml" }
  var ring: RingLocation { RingLocation(directory: folder, name: "test", rank: 0) }

  init(_ more: String = "") throws {
    try FileManager.default.createDirectory(atPath: folder + "/data", withIntermediateDirectories: true)
    // Nobody else may keep files where the service does.
    chmod(folder, 0o700)
    for number in 0..<8 {
      let picture = RGBImage(width: 40, height: 40)
      let bytes = picture.pixels.bytes
      for index in bytes.indices { bytes[index] = UInt8(truncatingIfNeeded: index * (number + 1)) }
      let file = Data(try withExtendedLifetime(picture) { try PNGFile.encode(picture.pixels) })
      try file.write(to: URL(filePath: folder + "/data/\(number).png"))
    }
    try configure(more)
  }

  func configure(_ more: String) throws {
    let text = """
      stream.name = "test"
      dataset = { path = "data", layout = "flat" }
      batch.size = 4
      views.side = 16
      style.enabled = false
      ring = { slots = 2, directory = "." }
      state = { directory = "state", runtime_directory = "run" }
      \(more)
      """
    try Data(text.utf8).write(to: URL(filePath: configurationPath))
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }
}

/// What takes over the signals of the process, one after the other.
@Suite(.serialized) enum SignalTests {}

extension SignalTests {
  @Suite("The daemon")
  struct DaemonTests {
    @Test(
      "serves a ring, answers for its state, takes over what may change, and leaves nothing behind when it is told to stop"
    )
    func life() async throws {
      let workplace = try Workplace("workers.count = 1")
      let daemon = try Daemon(configurationPath: workplace.configurationPath)
      let ended = Task.detached { try await withThread { try daemon.run() } }
      let reader = try RingConsumer(at: workplace.ring, attachTimeout: .seconds(60))
      for number in 0..<3 {
        let batch = try #require(try reader.next(timeout: .seconds(60)))
        #expect(batch.number == UInt64(number))
        #expect(batch["view1"]?.count == 4 * 16 * 16 * 3)
        try reader.release(batch)
      }
      func report() throws -> StatusReport {
        try StatusReport(json: try ControlClient.ask(.status, at: workplace.folder + "/run/test.control"))
      }
      let running = try report()
      #expect(running.name == "test")
      #expect(running.samples == 8)
      #expect(running.workers == 1)
      #expect(running.rings.map(\.rank) == [0])
      #expect(running.configurationFile == workplace.configurationPath)

      try workplace.configure("workers.count = 2")
      kill(getpid(), SIGHUP)
      while try report().workers != 2 { await Task.yield() }

      kill(getpid(), SIGTERM)
      try await ended.value
      reader.close()
      let left = try FileManager.default.contentsOfDirectory(atPath: workplace.folder)
      #expect(!left.contains { $0.hasPrefix("sassl.") && $0 != "sassld.toml" })
      #expect(throws: ControlError.self) { try report() }
    }

    @Test("does not begin with a configuration that is wrong")
    func wrongConfiguration() throws {
      let workplace = try Workplace("views.sied = 3")
      #expect(throws: ConfigurationError.self) { try Daemon(configurationPath: workplace.configurationPath) }
    }
  }
}

/// Runs what blocks for long on a thread of its own, and not on one that tests share.
private func withThread(_ body: @escaping @Sendable () throws -> Void) async throws {
  try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
    Thread.detachNewThread { continuation.resume(with: Result(catching: body)) }
  }
}
