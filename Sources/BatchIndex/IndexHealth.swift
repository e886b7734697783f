import FoundationEssentials
import Glibc

/// Whether the index keeps up, and what it lost where it did not.
package struct IndexHealth: Equatable, Sendable {
  /// Why nothing can be written at the moment, or nil while all is well.
  package var degradedBy: DatabaseError?
  /// Since when nothing could be written.
  package var degradedSince: Date?
  /// Records written since the start.
  package var writtenRecords = 0
  /// Records waiting to be written.
  package var waitingRecords = 0
  /// Records lost because they had to wait for longer than there was room.
  package var droppedRecords = 0
  /// How often the database was made anew because it was deleted or damaged.
  package var rebuilds = 0
}
