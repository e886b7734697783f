import FoundationEssentials
import Glibc

/// Whether the index keeps up, and what it lost where it did not.
public struct IndexHealth: Equatable, Sendable {
  /// Why nothing can be written at the moment, or nil while all is well.
  public var degradedBy: DatabaseError?
  /// Since when nothing could be written.
  public var degradedSince: Date?
  /// Records written since the start.
  public var writtenRecords = 0
  /// Records waiting to be written.
  public var waitingRecords = 0
  /// Records lost because they had to wait for longer than there was room.
  public var droppedRecords = 0
  /// How often the database was made anew because it was deleted or damaged.
  public var rebuilds = 0
}
