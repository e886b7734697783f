import Augmentation
import Basics
import Dataset
import Foundation
import Imaging
import Pipeline
import Testing

@Suite("Loading a sample while the machine is at fault")
final class SampleLoaderTests {
  /// In memory's own file system, which alone has files that are larger than any address space.
  private let folder = "/dev/shm/sassl-loader-" + UUID().uuidString
  private let source: StreamSource
  private let schedule: StreamSchedule
  private let draws: [ViewDraws]
  private let quarantine = Quarantine(fraction: 1, total: 2)

  init() throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
    // Sparse: it takes no room, but reading it would need more memory than there can be.
    #expect(FileManager.default.createFile(atPath: folder + "/0.png", contents: nil))
    #expect(truncate(folder + "/0.png", 1 << 60) == 0)
    #expect(FileManager.default.createFile(atPath: folder + "/1.png", contents: try Self.picture()))
    source = StreamSource(
      seed: 1, catalog: try SampleCatalog.flatFolder(at: BytePath(folder)),
      recipes: [ViewRecipe(RandomResizedCrop(side: 8))], model: nil,
      styles: .inBatch, styleGroupSize: 1, limits: DecodeLimits(maximumPixels: 1000, maximumBytes: .max))
    schedule = try StreamSchedule(sampleCount: 2, seed: 1, batchSize: 2, worldSize: 1, rank: 0, lastBatch: .drop)
    draws = [ViewDraws(recipe: source.recipes[0], seed: 1, epoch: 0, sample: 0, view: 0)]
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  private static func picture() throws -> Data {
    let image = RGBImage(width: 16, height: 16)
    image.pixels.bytes.update(repeating: 128)
    return Data(try PNGFile.encode(image.pixels))
  }

  private func load(_ waiting: WaitingWorkers, patience: Int) throws(StreamFailure) -> Int {
    let loader = SampleLoader(source: source, quarantine: quarantine, waiting: waiting, patience: patience) { _, _ in }
    return try loader.load(planned: 0, epoch: 0, schedule: schedule, draws: draws, tools: WorkerTools(for: source))
      .sample
  }

  @Test("waits, says so, blames no file, and goes on with the same sample")
  func waits() throws {
    let told = Told()
    let waiting = WaitingWorkers { [folder] shortage in
      told.add(shortage)
      #expect(FileManager.default.createFile(atPath: folder + "/0.png", contents: try? Self.picture()))
    }
    #expect(try load(waiting, patience: 60) == 0)
    #expect(quarantine.count == 0)
    #expect(told.shortages.count == 1)
    let sentence = try #require(told.shortages.first).description
    #expect(sentence.hasPrefix("\(folder)/0.png cannot be read: Cannot allocate memory; free memory"), "\(sentence)")
    #expect(waiting.sentence == nil)
  }

  @Test("gives up when its patience is at an end, and still no file is blamed")
  func givesUp() throws {
    let waiting = WaitingWorkers()
    let failure = #expect(throws: StreamFailure.self) { try load(waiting, patience: 0) }
    guard case .machineAtFault(let shortage, seconds: 0)? = failure else { throw try #require(failure) }
    #expect(shortage.description.contains("Cannot allocate memory"), "\(shortage)")
    #expect(quarantine.count == 0)
    #expect(waiting.sentence == nil)
  }

  @Test("does not begin to wait when the stream ends")
  func ends() throws {
    let told = Told()
    let waiting = WaitingWorkers { told.add($0) }
    waiting.giveUp()
    #expect(throws: StreamFailure.self) { try load(waiting, patience: 60) }
    #expect(told.shortages.isEmpty)
  }

  @Test("what is lacking is told, and what to do about it")
  func shortages() throws {
    func told(_ error: any Error) -> String? { Shortage(error, path: "/a.png")?.description }
    let descriptors = try #require(told(SampleError.unreadable(errno: EMFILE)))
    #expect(descriptors.contains("/a.png cannot be read: Too many open files; raise"))
    #expect(descriptors.contains("LimitNOFILE="))
    let memory = try #require(told(ImagingError.outOfMemory(detail: "7 bytes for pixels")))
    #expect(memory.contains("no memory (7 bytes for pixels)"))
    #expect(memory.contains("workers.count"))
    #expect(told(SampleError.vanished) == nil)
    #expect(told(ImagingError.empty) == nil)
  }
}

/// What was told to a closure.
private final class Told: Sendable {
  private let lock = NSLock()
  private nonisolated(unsafe) var list: [Shortage] = []
  func add(_ shortage: Shortage) { lock.withLock { list.append(shortage) } }
  var shortages: [Shortage] { lock.withLock { list } }
}
