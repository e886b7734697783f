/// Finds what somebody probably meant.
enum Spelling {
  /// The candidate that is spelled most like `word`, or nil where none is close.
  static func closest(to word: String, among candidates: [String]) -> String? {
    // About one mistake in three letters is still recognisable.
    let limit = max(1, word.count / 3)
    return
      candidates
      .map { (candidate: $0, distance: distance(word, $0)) }
      .filter { $0.distance <= limit }
      .min { $0.distance < $1.distance }?
      .candidate
  }

  /// How many letters must be added, dropped, changed or swapped with their neighbours to make one word of the other.
  static func distance(_ left: String, _ right: String) -> Int {
    let left = Array(left.utf8)
    let right = Array(right.utf8)
    // rows[i][j]: the distance between the first i letters of one and the first j of the other.
    var rows = [Array(0...right.count)]
    for i in 0..<left.count {
      var row = [i + 1]
      for j in 0..<right.count {
        let changed = rows[i][j] + (left[i] == right[j] ? 0 : 1)
        var best = min(row[j] + 1, rows[i][j + 1] + 1, changed)
        if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] {
          best = min(best, rows[i - 1][j - 1] + 1)
        }
        row.append(best)
      }
      rows.append(row)
    }
    return rows[left.count][right.count]
  }
}
