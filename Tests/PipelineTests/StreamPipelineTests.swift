import Augmentation
import Basics
import BatchIndex
import BatchRing
import Dataset
import Foundation
import Imaging
import Pipeline
import StyleTransfer
import Synchronization
import Testing

/// Pictures in memory's own file system, and the rings that are made of them.
private final class Studio: Sendable {
  let folder = "/dev/shm/sassl-pipeline-" + UUID().uuidString

  /// Twelve pictures of two classes, no two alike.
  init() throws {
    for number in 0..<12 {
      let directory = folder + "/data/class\(number % 2)"
      try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
      let picture = RGBImage(width: 40 + number, height: 52 - number)
      let bytes = picture.pixels.bytes
      for index in bytes.indices {
        bytes[index] = UInt8(truncatingIfNeeded: index * (number + 3) / 5 + index * index / 97)
      }
      let file = Data(try withExtendedLifetime(picture) { try PNGFile.encode(picture.pixels) })
      try file.write(to: URL(filePath: directory + "/\(number).png"))
    }
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  func source(_ recipes: [ViewRecipe], sharesStyles: Bool = false) throws -> StreamSource {
    StreamSource(
      seed: 5, catalog: try SampleCatalog.imageFolder(at: BytePath(folder + "/data"), progress: { _ in }),
      recipes: recipes, model: recipes.contains { $0.style != nil } ? .embedded : nil, styles: .inBatch,
      styleGroupSize: 2, sharesStyles: sharesStyles, limits: .standard)
  }

  static func schedule(_ source: StreamSource) throws -> StreamSchedule {
    try StreamSchedule(sampleCount: source.catalog.count, seed: source.seed, batchSize: 4)
  }

  static func loader(
    _ source: StreamSource, onBadFile: @escaping @Sendable (Int, String) -> Void = { _, _ in }
  ) -> SampleLoader {
    SampleLoader(
      source: source, quarantine: Quarantine(fraction: 0.5, total: source.catalog.count), patience: 60,
      onBadFile: onBadFile)
  }

  /// The first `count` batches, all arrays of each one after the other, as a reader of the ring gets them.
  func batches(
    _ count: Int, of source: StreamSource, workers: Int, slots: Int,
    onBadFile: @escaping @Sendable (Int, String) -> Void = { _, _ in },
    onPublished: @escaping @Sendable (StreamPipeline.Published) -> Void = { _ in }
  ) throws -> [[UInt8]] {
    let schedule = try Self.schedule(source)
    let location = RingLocation(directory: folder, name: "test", rank: 0)
    let ring = try RingProducer(
      at: location, slotCount: slots, batchSize: schedule.batchSize,
      fields: BatchFields.all(for: source.recipes, count: schedule.batchSize),
      fingerprint: [UInt8](repeating: 1, count: 32), start: .resume(else: 0), hook: nil)
    let pipeline = StreamPipeline(
      source: source, lanes: [.init(ring: ring, schedule: schedule)],
      loader: Self.loader(source, onBadFile: onBadFile), workerCount: workers, failpoint: nil,
      onPublished: onPublished, onRingTrouble: { Issue.record("\($0)") }, onFailure: { Issue.record("\($0)") })
    pipeline.start()
    defer {
      pipeline.stop()
      ring.close()
    }
    let reader = try RingConsumer(at: location, verify: true)
    defer { reader.close() }
    return try (0..<count).map { number in
      let batch = try #require(try reader.next(timeout: .seconds(60)))
      #expect(batch.number == UInt64(number))
      let arrays = BatchFields.all(for: source.recipes, count: schedule.batchSize).flatMap { [UInt8](batch[$0.name]!) }
      try reader.release(batch)
      return arrays
    }
  }

  /// The same, made by one thread, a sample after the other and without a ring.
  static func byHand(_ count: Int, of source: StreamSource) throws -> [[UInt8]] {
    let schedule = try schedule(source)
    let loader = loader(source)
    let tools = WorkerTools(for: source)
    return try (0..<count).map { number in
      let batch = PrivateBatch(recipes: source.recipes, count: schedule.batchSize)
      let assembly = BatchAssembly(
        plan: schedule.batch(UInt64(number)), memory: batch.memory, source: source, schedule: schedule, loader: loader)
      try assembly.make(tools: tools)
      return withExtendedLifetime(batch) { batch.bytes }
    }
  }
}

/// Two views, the first of them stylized.
private let styledPair = RecipePreset.byol.views(side: 32)
/// The same with the flip before the style is looked at.
private let flippedFirst = styledPair.map { recipe in
  var recipe = recipe
  recipe.arrange(["flip", "style"])
  return recipe
}
/// Views of several sides, none stylized.
private let multiCrop = [40, 24, 16].map { side in RecipePreset.simclr.views(side: side, style: nil)[0] }

@Suite("The pipeline")
struct StreamPipelineTests {
  @Test(
    "fills the ring with what one thread makes by hand, whatever the number of workers and slots",
    arguments: [styledPair, flippedFirst, multiCrop, [multiCrop[1]]], [(1, 2), (3, 5)])
  func sameBatches(recipes: [ViewRecipe], threads: (workers: Int, slots: Int)) throws {
    let studio = try Studio()
    let source = try studio.source(recipes)
    // More than an epoch of three batches.
    let made = try studio.batches(5, of: source, workers: threads.workers, slots: threads.slots)
    #expect(made == (try Studio.byHand(5, of: source)))
  }

  @Test("the order of the steps changes pixels and nothing else")
  func order() throws {
    let studio = try Studio()
    let usual = try Studio.byHand(1, of: studio.source(styledPair))[0]
    let other = try Studio.byHand(1, of: studio.source(flippedFirst))[0]
    let pixels = 4 * 32 * 32 * 3
    #expect(usual[..<pixels] != other[..<pixels])
    // The second view is never stylized, and the columns say what was drawn.
    #expect(usual[pixels...] == other[pixels...])
  }

  @Test("views that share a style take it from the lender's first view, else each from the same view of the lender")
  func sharedStyles() throws {
    let studio = try Studio()
    let recipes = styledPair.map { recipe in
      var recipe = recipe
      recipe.style = StyleTransferStep(probability: 1)
      return recipe
    }
    for sharesStyles in [false, true] {
      let source = try studio.source(recipes, sharesStyles: sharesStyles)
      let schedule = try Studio.schedule(source)
      let tools = WorkerTools(for: source)
      let batch = PrivateBatch(recipes: recipes, count: schedule.batchSize)
      let assembly = BatchAssembly(
        plan: schedule.batch(0), memory: batch.memory, source: source, schedule: schedule, loader: Studio.loader(source)
      )
      for position in 0..<assembly.count { try assembly.prepare(position, tools: tools) }
      for position in 0..<assembly.count {
        for view in 0...1 {
          let stylization = try #require(assembly.stylization(of: position, view: view))
          let lender = try #require(stylization.lender)
          let lending = try #require(assembly.stylization(of: lender, view: sharesStyles ? 0 : view))
          #expect(lender != position && stylization.lent == lending.own)
        }
        let both = (0...1).map { assembly.stylization(of: position, view: $0)! }
        #expect((both[0].lent == both[1].lent) == sharesStyles)
        // How strongly is each view's own.
        #expect(both[0].strength != both[1].strength)
      }
      withExtendedLifetime(batch) {}
    }
  }

  @Test("a broken file is told once and replaced, and the sample that stands in says whom it replaces")
  func brokenFile() throws {
    let studio = try Studio()
    let source = try studio.source(multiCrop)
    let broken = try #require((0..<12).first { source.catalog.path(of: $0).description.hasSuffix("/7.png") })
    #expect(truncate(studio.folder + "/data/class1/7.png", 100) == 0)
    let told = Mutex<[Int]>([])
    let samples = Mutex<[DrawnSample]>([])
    _ = try studio.batches(
      6, of: source, workers: 2, slots: 2, onBadFile: { sample, _ in told.withLock { $0.append(sample) } },
      onPublished: { batch in samples.withLock { $0 += batch.samples } })
    #expect(told.withLock { $0 } == [broken])
    let replaced = samples.withLock { list in list.filter { $0.replacedSampleID != nil } }
    // Once in each of the two epochs; the workers may have gone on to a third.
    #expect(replaced.count >= 2)
    #expect(replaced.allSatisfy { $0.replacedSampleID == Int64(broken) && $0.sampleID != Int64(broken) })
  }
}

extension PrivateBatch {
  /// All arrays, one after the other.
  fileprivate var bytes: [UInt8] { arrays.flatMap { [UInt8]($0) } }
}
