import CSASSLRing

/// The ring's counters at about one moment: how far each side is and who waits for whom.
///
/// Whatever the header says, they are possible ones: released <= taken <= published <= released + slots.
package struct RingCounters: Sendable, Hashable {
  /// CLOCK_MONOTONIC when these were read, nanoseconds.
  package let nowNanoseconds: UInt64
  /// Batches published by this instance.
  package let published: UInt64
  /// Batches given back by readers, dropped ones included.
  package let released: UInt64
  /// Batches handed out, dropped ones included.
  package let taken: UInt64
  /// Published batches that were stale after a seek and never handed out.
  package let dropped: UInt64
  /// Slots being filled now.
  package let producing: Int
  /// Number of the batch that is published next.
  package let nextBatch: UInt64
  /// Number of the lowest batch that the reader has not released.
  package let readerNext: UInt64
  /// Batch asked for by the last seek.
  package let seekTarget: UInt64
  /// Seeks asked for.
  package let seekRequested: UInt64
  /// The last of them that the producer has obeyed.
  package let seekAcknowledged: UInt64
  /// CLOCK_MONOTONIC of the producer's last progress, nanoseconds.
  package let heartbeatNanoseconds: UInt64
  /// Time that the producer has waited for a free slot because the ring was full, this wait included, nanoseconds.
  package let producerWaitedNanoseconds: UInt64
  /// Time that readers have waited for a batch because the ring was empty, this wait included, nanoseconds.
  package let consumerWaitedNanoseconds: UInt64
  /// CLOCK_MONOTONIC when the last reader attached, 0 if none ever did, nanoseconds.
  package let consumerAttachedNanoseconds: UInt64
  /// Whether a live process fills the ring, by the kernel's word.
  package let producerIsAlive: Bool
  /// Whether the producer has said that nothing more will come.
  package let producerIsClosed: Bool
  /// Whether a live process reads the ring, by the kernel's word.
  package let consumerIsAlive: Bool
  /// Process of the last reader, 0 if there never was one.
  package let consumerProcess: Int

  /// Batches ready to be taken.
  package var ready: UInt64 { published - taken }
  /// Batches that the reader holds.
  package var leased: UInt64 { taken - released }

  init(_ counters: sassl_ring_counters) {
    nowNanoseconds = counters.now_ns
    published = counters.published
    released = counters.released
    taken = counters.taken
    dropped = counters.dropped
    producing = Int(clamping: counters.producing)
    nextBatch = counters.next_batch
    readerNext = counters.reader_next
    seekTarget = counters.seek_target
    seekRequested = counters.seek_requested
    seekAcknowledged = counters.seek_acknowledged
    heartbeatNanoseconds = counters.heartbeat_ns
    producerWaitedNanoseconds = counters.producer_waited_ns
    consumerWaitedNanoseconds = counters.consumer_waited_ns
    consumerAttachedNanoseconds = counters.consumer_attached_ns
    producerIsAlive = counters.producer_alive != 0
    producerIsClosed = counters.producer_state == SASSL_RING_CLOSED.rawValue
    consumerIsAlive = counters.consumer_alive != 0
    consumerProcess = Int(counters.consumer_pid)
  }
}
