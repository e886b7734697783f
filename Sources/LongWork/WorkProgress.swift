/// How far a piece of long work is: what whoever does it tells whoever waits for it.
package struct WorkProgress: Sendable, Equatable {
  /// Things that the work consists of, one after the other.
  package struct Count: Sendable, Equatable {
    /// How many are done.
    package var done: Int
    /// How many there are; `nil` where that shows at the end.
    package var total: Int?
    /// What they are called, in the plural.
    package var unit: String

    package init(_ done: Int, of total: Int?, _ unit: String) {
      self.done = done
      self.total = total
      self.unit = unit
    }
  }

  /// What is being done, as in "reading the dataset".
  package var activity: String
  /// How much of it is done; `nil` where nothing can be counted.
  package var count: Count?
  /// What else is worth a word, as in "1000 samples so far"; usually empty.
  package var note: String

  package init(_ activity: String, _ count: Count? = nil, note: String = "") {
    self.activity = activity
    self.count = count
    self.note = note
  }
}
