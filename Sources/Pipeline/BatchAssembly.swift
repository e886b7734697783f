import Augmentation
import Basics
import BatchIndex
import Dataset
import FoundationEssentials
import Glibc
import Imaging
import StyleTransfer

/// One batch in work: its plan, its draws, where it is written, and the style embeddings that pass between its two stages.
///
/// Workers share its memory without a lock: each writes only the entries of the sample that it has the ticket for, and the work list
/// hands a group to its second stage only after all its first stages were given back.
package final class BatchAssembly: @unchecked Sendable {
  /// Which samples, in which order.
  package let plan: BatchPlan
  /// Where it is written.
  package let memory: BatchMemory
  /// When work on it began, on the monotonic clock.
  package let startedNanoseconds = clockNanoseconds()

  private let source: StreamSource
  private let schedule: StreamSchedule
  private let loader: SampleLoader
  /// All draws of each sample: `[position][view]`.
  private let draws: [[ViewDraws]]
  /// Who lends the style, in positions of this batch: `[position]`; empty unless styles come from the batch.
  private let lenders: [Int]
  /// `[styled view][position]`, written by prepare, read by finish.
  private let embeddings: UnsafeMutableBufferPointer<StyleEmbedding?>
  private let addedTimes = Mutex(PipelineMetrics.Times())
  /// `[position][stage]`, nanoseconds so far, written by whoever has the sample's ticket.
  private let imageNanoseconds: UnsafeMutableBufferPointer<UInt64>

  /// A batch to be made of `plan` into `memory`.
  package init(
    plan: BatchPlan, memory: BatchMemory, source: StreamSource, schedule: StreamSchedule, loader: SampleLoader
  ) {
    self.plan = plan
    self.memory = memory
    self.source = source
    self.schedule = schedule
    self.loader = loader
    draws = zip(plan.sampleIDs, plan.passes).map { sample, pass in
      source.recipes.enumerated().map { view, recipe in
        ViewDraws(recipe: recipe, seed: source.seed, epoch: pass, sample: UInt64(sample), view: view)
      }
    }
    if case .inBatch = source.styles, !source.styledViews.isEmpty {
      lenders = Self.lenders(plan: plan, schedule: schedule, seed: source.seed, groupSize: source.styleGroupSize)
    } else {
      lenders = []
    }
    embeddings = .allocate(capacity: source.styledViews.count * plan.sampleIDs.count)
    embeddings.initialize(repeating: nil)
    imageNanoseconds = .allocate(capacity: PipelineMetrics.Stage.allCases.count * plan.sampleIDs.count)
    imageNanoseconds.initialize(repeating: 0)
  }

  deinit {
    embeddings.deinitialize()
    embeddings.deallocate()
    imageNanoseconds.deallocate()
  }

  /// Samples in the batch.
  package var count: Int { plan.sampleIDs.count }
  /// How many samples must be prepared before the first of them can be finished.
  package var groupSize: Int { lenders.isEmpty ? 1 : source.styleGroupSize }
  /// Core time that the batch has taken so far.
  package var times: PipelineMetrics.Times { addedTimes.withLock { $0 } }

  /// Books the time that a worker spent on the sample at `position`, whose ticket it has.
  ///
  /// - Returns: what each stage of the sample took so far, in nanoseconds.
  package func add(_ times: PipelineMetrics.Times, at position: Int) -> [UInt64] {
    addedTimes.withLock { $0.add(times) }
    let stages = times.nanoseconds.count
    let image = imageNanoseconds[position * stages..<(position + 1) * stages]
    for (index, nanoseconds) in zip(image.indices, times.nanoseconds) { imageNanoseconds[index] += nanoseconds }
    return Array(image)
  }

  /// What was drawn for every sample, read from the finished batch.
  package func drawnSamples() -> [DrawnSample] {
    plan.sampleIDs.enumerated().map { position, planned in
      let shown = memory.sampleIDs[position]
      return DrawnSample(
        sampleID: shown, replacedSampleID: shown == Int64(planned) ? nil : Int64(planned),
        styles: zip(source.styledViews, memory.styles).map { view, columns in
          DrawnStyle(
            view: view, styleID: columns.styleIDs[position], isStyled: columns.applied[position] != 0,
            alpha: columns.alpha[position], beta: columns.beta[position])
        })
    }
  }

  /// Everything that was drawn for the views, read from the finished batch; empty where it is not kept.
  package func drawnNumbers() -> [DrawnNumbers] {
    memory.drawn.enumerated().flatMap { view, columns in
      zip(DrawnColumns.all, columns).map { entry, pointer in
        let (_, column) = entry
        return DrawnNumbers(
          view: view, name: column.name, type: column.type.rawValue, length: column.length,
          bytes: Array(UnsafeRawBufferPointer(start: pointer, count: count * column.bytesPerSample)))
      }
    }
  }

  private static func lenders(plan: BatchPlan, schedule: StreamSchedule, seed: UInt64, groupSize: Int) -> [Int] {
    let firstGroup = (plan.step * schedule.globalBatchSize + plan.globalOffset) / groupSize
    return stride(from: 0, to: plan.sampleIDs.count, by: groupSize).flatMap { start -> [Int] in
      let count = min(groupSize, plan.sampleIDs.count - start)
      let group = UInt64(firstGroup + start / groupSize)
      return InBatchStyles(seed: seed, epoch: plan.epoch, group: group, count: count).lenders.map { $0 + start }
    }
  }

  /// Makes the whole batch on this thread.
  ///
  /// - Throws: `StreamFailure` when the stream cannot go on.
  package func make(tools: WorkerTools) throws(StreamFailure) {
    for position in 0..<count { try prepare(position, tools: tools) }
    for position in 0..<count { try finish(position, tools: tools) }
  }

  /// First stage of one sample: decode, crop every view into place, do what comes before its style, and embed where a style will need
  /// it. Views that are never stylized are completed.
  ///
  /// - Throws: `StreamFailure` when the stream cannot go on.
  package func prepare(_ position: Int, tools: WorkerTools) throws(StreamFailure) {
    let sampleDraws = draws[position]
    let loaded = try loader.load(
      planned: plan.sampleIDs[position], epoch: plan.passes[position], schedule: schedule, draws: sampleDraws,
      tools: tools)
    memory.sampleIDs[position] = Int64(loaded.sample)
    memory.labels[position] = source.catalog.label(of: loaded.sample)
    for (view, draw) in sampleDraws.enumerated() {
      let picture = memory.picture(view: view, position: position, side: source.recipes[view].side)
      tools.times.measure(.crop) {
        draw.applyCrop(
          loaded.crops[view].rectangle, of: loaded.picture, into: picture, workspace: tools.pixelWorkspace)
      }
      if !memory.drawn.isEmpty { draw.write(loaded.crops[view], at: position, to: memory.drawn[view]) }
      apply(draw.operationsBeforeStyle, to: picture, tools: tools)
      if let order = source.styledViews.firstIndex(of: view), needsEmbedding(position, view: view) {
        embeddings[order * count + position] = try embed(picture, tools: tools)
      }
    }
    if source.styledViews.isEmpty { note(nil, style: -1, at: position, in: memory.styles[0]) }
  }

  /// A picture's embedding is needed to stylize it, and to lend its style to another that is stylized.
  private func needsEmbedding(_ position: Int, view: Int) -> Bool {
    if draws[position][view].style != nil { return true }
    // A sample that lends one style to all views lends that of its first one.
    if source.sharesStyles, view != source.styledViews[0] { return false }
    let takers = source.sharesStyles ? source.styledViews : [view]
    return lenders.indices.contains { borrower in
      lenders[borrower] == position && takers.contains { draws[borrower][$0].style != nil }
    }
  }

  private func embed(_ picture: PixelBuffer, tools: WorkerTools) throws(StreamFailure) -> StyleEmbedding {
    let model = source.model!
    let side = model.predictorSide!
    return try tools.times.measure(.embed) { () throws(StreamFailure) -> StyleEmbedding in
      if tools.predictorPicture.width != side { tools.predictorPicture = RGBImage(width: side, height: side) }
      let input = tools.predictorPicture
      input.pixels.resize(from: picture, workspace: tools.pixelWorkspace)
      do throws(ModelError) {
        return try model.embed(pixels: input.pixels.base, workspace: tools.styleWorkspace)
      } catch {
        throw .style(error.description)
      }
    }
  }

  /// Second stage of one sample: stylize the views that are drawn for it, and complete them. Its whole group is prepared.
  ///
  /// - Throws: `StreamFailure` when the style network refuses.
  package func finish(_ position: Int, tools: WorkerTools) throws(StreamFailure) {
    for (order, view) in source.styledViews.enumerated() {
      let draw = draws[position][view]
      let picture = memory.picture(view: view, position: position, side: source.recipes[view].side)
      if let stylization = stylization(of: position, view: view) {
        try tools.times.measure(.stylize) { () throws(StreamFailure) in
          do throws(ModelError) {
            try stylization.apply(source.model!, to: picture, tools: tools)
          } catch {
            throw .style(error.description)
          }
        }
        note(draw.style, style: stylization.style, at: position, in: memory.styles[order])
        if !memory.drawn.isEmpty, var style = draw.style {
          style.lender = stylization.style
          ViewDraws.write(style, at: position, to: memory.drawn[view])
        }
      } else {
        note(nil, style: -1, at: position, in: memory.styles[order])
      }
      apply(draw.operationsAfterStyle, to: picture, tools: tools)
    }
  }

  private func apply(_ operations: [any PixelOperation], to picture: PixelBuffer, tools: WorkerTools) {
    tools.times.measure(.augment) {
      for operation in operations { operation.apply(to: picture, workspace: tools.pixelWorkspace) }
    }
  }

  /// What ``finish(_:tools:)`` does to the style of a sample's view; `nil` where it is left as it is. The sample's whole group is
  /// prepared.
  package func stylization(of position: Int, view: Int) -> Stylization? {
    guard let strength = draws[position][view].style, let order = source.styledViews.firstIndex(of: view) else {
      return nil
    }
    let own = embeddings[order * count + position]!
    // The view whose style it is: where all views share one, that of the first.
    let lending = source.sharesStyles ? 0 : order
    let draw = draws[position][source.styledViews[lending]]
    switch source.styles {
    case .inBatch:
      let lender = lenders[position]
      return Stylization(
        strength: strength, own: own, lent: embeddings[lending * count + lender]!, style: memory.sampleIDs[lender],
        lender: lender)
    case .embeddings(_, let list, let weights):
      let choice = weights.map { draw.styleChoice(by: $0) } ?? draw.styleChoice(of: list.count)
      return Stylization(strength: strength, own: own, lent: list[choice], style: Int64(choice), lender: nil)
    case .sampled(let distribution):
      let lent = distribution.embedding(at: draw.styleNormals(count: distribution.mean.count))
      return Stylization(strength: strength, own: own, lent: lent, style: -1, lender: nil)
    }
  }

  private func note(_ draw: StyleDraw?, style: Int64, at position: Int, in columns: StyleColumns) {
    columns.styleIDs[position] = style
    columns.applied[position] = draw == nil ? 0 : 1
    columns.alpha[position] = Float(draw?.alpha ?? 0)
    columns.beta[position] = Float(draw?.beta ?? 0)
  }
}
