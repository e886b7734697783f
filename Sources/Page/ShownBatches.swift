import Basics
import BatchRing
import Imaging
import Pipeline

/// The batches whose pictures are shown, one for each rank: copied out of the ring now and then, so that looking costs little.
final class ShownBatches: Sendable {
  /// Seconds for which a batch is shown at least, while the ring holds it, and when it does not any more. Copying one takes as long as
  /// reading its bytes twice.
  private static let leastSeconds = (held: 1.9, gone: 0.9)
  /// So many batches are kept for browsers that still load the pictures of one that is not shown any more.
  private static let keptBatches = 4

  /// A batch with the files of its pictures.
  private struct Kept: Sendable {
    let instance: [UInt8]
    let shown: ShownBatch
    let pictures: [[Int: [UInt8]]]
    let since: Moment
  }

  /// Of each rank, the latest last.
  private let kept = Mutex<[Int: [Kept]]>([:])
  private let limit: Int

  /// Shows the first `limit` samples of batches.
  init(limit: Int) { self.limit = limit }

  /// The batch to show of a ring: the newest, or for a while the one before. `nil` where there never was one.
  ///
  /// - Parameter observer: `nil` where there is no ring now.
  /// - Throws: `RingError` where the newest batch is damaged.
  func latest(
    rank: Int, in observer: RingObserver?, entries: [RingObserver.Entry], styleColumns: [(view: Int, suffix: String)]
  ) throws(RingError) -> ShownBatch? {
    try kept.withLock { kept throws(RingError) in
      let last = kept[rank]?.last
      let instance = observer?.geometry.instance
      func isInRing(_ kept: Kept) -> Bool {
        kept.instance == instance && entries.contains { $0.number == kept.shown.batch }
      }
      let isRecent = last.map {
        $0.instance == instance
          && $0.since.secondsSince < (isInRing($0) ? Self.leastSeconds.held : Self.leastSeconds.gone)
      }
      if let observer, let newest = entries.last?.number, isRecent != true,
        last?.shown.batch != newest || last?.instance != instance,
        let copied = try copy(newest, rank: rank, from: observer, styleColumns: styleColumns)
      {
        kept[rank] = Array(((kept[rank] ?? []) + [copied]).suffix(Self.keptBatches))
      }
      guard let current = kept[rank]?.last else { return nil }
      var shown = current.shown
      shown.isInRing = isInRing(current)
      return shown
    }
  }

  /// The file of a picture that `latest` has told of; `nil` where it is no longer kept.
  ///
  /// - Parameter instance: as its address has it.
  func picture(rank: Int, instance: String, batch: UInt64, position: Int, view: Int) -> [UInt8]? {
    kept.withLock { kept in
      let batch = kept[rank]?.last { $0.shown.batch == batch && Self.name(of: $0.instance) == instance }
      guard let pictures = batch?.pictures, pictures.indices.contains(position) else { return nil }
      return pictures[position][view]
    }
  }

  private func copy(
    _ number: UInt64, rank: Int, from observer: RingObserver, styleColumns: [(view: Int, suffix: String)]
  ) throws(RingError) -> Kept? {
    let geometry = observer.geometry
    let batch: CopiedBatch
    do {
      batch = CopiedBatch(try observer.batch(number), geometry: geometry)
    } catch {
      // Given back meanwhile: what was shown before stays.
      if error.kind == .absent { return nil }
      throw error
    }
    guard let pictures = try? batch.pictures(limit: limit) else { return nil }
    let name = Self.name(of: geometry.instance)
    let shown = batch.shown(limit: limit, styleColumns: styleColumns) { position, view in
      "picture?rank=\(rank)&instance=\(name)&batch=\(number)&sample=\(position)&view=\(view)"
    }
    return Kept(instance: geometry.instance, shown: shown, pictures: pictures, since: Moment())
  }

  /// An instance as it stands in addresses.
  private static func name(of instance: [UInt8]) -> String {
    instance.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}
