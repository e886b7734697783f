/// What was drawn for the styles of the latest batches, counted.
package struct StyleCounts: Equatable, Sendable {
  /// How strongly the samples of one view were stylized.
  package struct Strength: Equatable, Sendable {
    /// The view; the first is view 0, as in the ring.
    package var view: Int
    /// Samples that were drawn for.
    package var samples = 0
    /// Those of them that were stylized.
    package var stylized = 0
    /// Of these, how many had an alpha of so many whole hundredths.
    package var alpha: [Int: Int] = [:]
    /// The same for beta.
    package var beta: [Int: Int] = [:]
  }

  /// How often a style was drawn.
  package struct Frequency: Equatable, Sendable {
    /// The sample or style that lent it, or -1 where it has no number.
    package var style: Int64
    /// How often.
    package var count: Int
  }

  /// Each view that may be stylized, in their order.
  package var strengths: [Strength]
  /// How many different styles there were.
  package var differentStyles: Int
  /// Those that were drawn most often, the most frequent first.
  package var mostFrequent: [Frequency]
}

extension BatchIndexReader {
  /// Counts what was drawn for the styles of the batches of a rank that were made last.
  ///
  /// - Parameters:
  ///   - batches: how many of them.
  ///   - listed: how many styles are told by their numbers.
  package func styleCounts(batches: Int, rank: Int = 0, listed: Int) throws(DatabaseError) -> StyleCounts {
    let latest = "batch_id IN (SELECT id FROM batch WHERE rank = ? ORDER BY id DESC LIMIT ?)"
    let which: (DatabaseValue, DatabaseValue) = (.integer(Int64(rank)), .integer(Int64(batches)))
    var strengths: [StyleCounts.Strength] = []
    let groups = try rows(
      """
      SELECT view, is_styled, CAST(alpha * 100 AS INTEGER) AS a, CAST(beta * 100 AS INTEGER) AS b, count(*)
      FROM style_draw WHERE \(latest) GROUP BY view, is_styled, a, b ORDER BY view
      """, which.0, which.1)
    for group in groups {
      let view = Int(group.integer(0))
      if strengths.last?.view != view { strengths.append(StyleCounts.Strength(view: view)) }
      let last = strengths.count - 1
      let count = Int(group.integer(4))
      strengths[last].samples += count
      guard group.integer(1) != 0 else { continue }
      strengths[last].stylized += count
      strengths[last].alpha[Int(group.integer(2)), default: 0] += count
      strengths[last].beta[Int(group.integer(3)), default: 0] += count
    }
    let different = try rows(
      "SELECT count(DISTINCT style_id) FROM style_draw WHERE is_styled AND \(latest)", which.0, which.1)
    let frequent = try rows(
      """
      SELECT style_id, count(*) AS n FROM style_draw WHERE is_styled AND \(latest)
      GROUP BY style_id ORDER BY n DESC, style_id LIMIT ?
      """, which.0, which.1, .integer(Int64(listed)))
    return StyleCounts(
      strengths: strengths, differentStyles: Int(different.first?.integer(0) ?? 0),
      mostFrequent: frequent.map { StyleCounts.Frequency(style: $0.integer(0), count: Int($0.integer(1))) })
  }
}
