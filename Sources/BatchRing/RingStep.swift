/// A step of the ring's protocol at which a crash could do harm; the numbers are those of `enum sassl_ring_step`.
package enum RingStep: UInt32, CaseIterable, Sendable {
  /// Memory reserved, header empty, file without a name.
  case segmentReserved = 1
  /// Header complete, file without a name.
  case segmentWritten = 2
  /// Complete under a temporary name, the predecessor's file is still in place.
  case segmentNamed = 3
  /// The file has its name.
  case segmentVisible = 4
  /// A slot was reserved, nothing written.
  case slotChosen = 5
  /// Payload complete, slot entry half written.
  case halfWritten = 6
  /// Slot complete, not published.
  case written = 7
  /// Published, consumer not woken.
  case published = 8
  /// Producer has read a seek request and not acknowledged it.
  case seekNoted = 9
  /// Producer has acknowledged it.
  case seekAcknowledged = 10
  /// Producer_state says CLOSED, the file still has its name.
  case closed = 11
  /// Consumer holds its lock, nothing written.
  case attached = 12
  /// Consumer has taken a batch.
  case leased = 13
  /// Reader_next advanced, released not.
  case releaseNoted = 14
  /// Released advanced, producer not woken.
  case released = 15
  /// Reader_next and seek_target written, seek_requested not.
  case seekTargeted = 16
  /// Seek_requested written, producer not woken.
  case seekRequested = 17
}
