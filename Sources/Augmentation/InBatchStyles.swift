import KeyedRandom

/// Who lends whom a style when styles come from the batch itself.
///
/// The global batch is divided into fixed groups; within a group every sample takes its style from another one, and every sample lends
/// its style exactly once. Groups are numbered through the epoch, so a rank that has whole groups knows its styles without the others.
package struct InBatchStyles: Sendable, Equatable {
  /// Who lends whom a style within a group of samples.
  static let purpose = DrawPurpose(68)

  /// For every position of the group, the position whose content serves as its style. A group of one has itself.
  package let lenders: [Int]

  /// Draws the lenders of group `group` of `epoch`, counted over the global batches of the epoch, with `count` samples.
  package init(seed: UInt64, epoch: UInt64, group: UInt64, count: Int) {
    precondition(count > 0, "a group has at least one sample")
    var generator = KeyedGenerator(seed: seed, epoch: epoch, sample: group, view: 0, purpose: Self.purpose)
    var lenders = Array(0..<count)
    // Sattolo's shuffle: a cycle through the whole group, drawn uniformly from all such cycles, so nobody stays in place.
    for last in stride(from: count - 1, to: 0, by: -1) {
      lenders.swapAt(last, generator.index(below: last))
    }
    self.lenders = lenders
  }
}
