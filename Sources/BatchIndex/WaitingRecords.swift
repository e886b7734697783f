/// What waits to be written to the index, the oldest first, as far as there is room for it.
///
/// Where there is not, the oldest are dropped and counted, but for those that say where a run of the service began and how it ended:
/// these are few, and what is written later refers to them.
struct WaitingRecords {
  /// How much may wait.
  struct Capacity {
    /// This many records.
    let records: Int
    /// About this many bytes of memory: records of large batches are large.
    let bytes: Int
  }

  /// How many were dropped.
  private(set) var dropped = 0
  private let capacity: Capacity
  private var records: [IndexRecord] = []
  private var bytes = 0

  /// Nothing waits yet.
  init(capacity: Capacity) { self.capacity = capacity }

  /// How many wait.
  var count: Int { records.count }

  /// Adds the newest.
  mutating func append(_ record: IndexRecord) {
    records.append(record)
    bytes += record.bytes
    dropOldest()
  }

  /// Puts back what could not be written, in front of what has come since.
  mutating func putBack(_ older: [IndexRecord]) {
    records = older + records
    bytes += older.reduce(0) { $0 + $1.bytes }
    dropOldest()
  }

  /// Takes all of them out.
  mutating func takeAll() -> [IndexRecord] {
    defer { (records, bytes) = ([], 0) }
    return records
  }

  private mutating func dropOldest() {
    guard records.count > capacity.records || bytes > capacity.bytes else { return }
    // Dropping an eighth at a time keeps the cost of moving the rest small.
    let most = Capacity(records: capacity.records / 8 * 7, bytes: capacity.bytes / 8 * 7)
    var left = records.count
    let before = left
    records.removeAll { record in
      guard left > most.records || bytes > most.bytes, record.isExpendable else { return false }
      left -= 1
      bytes -= record.bytes
      return true
    }
    dropped += before - left
  }
}
