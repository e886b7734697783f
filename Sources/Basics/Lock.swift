import Glibc

/// A mutex, for state that several threads share.
///
/// Foundation's `NSLock` would do the same, but brings all of Foundation and its tables of languages into the programs,
/// tens of megabytes that nothing here uses.
package final class Lock: Sendable {
  // At an address of its own, because a mutex must not move.
  fileprivate nonisolated(unsafe) let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)

  /// A lock that nobody holds.
  package init() {
    mutex.initialize(to: pthread_mutex_t())
    pthread_mutex_init(mutex, nil)
  }

  deinit {
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  /// Runs `body` while no other thread holds the lock; it must not take the same lock again.
  package func withLock<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return try body()
  }
}

/// A lock whose holder can wait until another thread has changed what the lock guards.
package final class Condition: Sendable {
  private let lock = Lock()
  private nonisolated(unsafe) let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  /// A condition that nobody holds or waits for.
  package init() {
    changed.initialize(to: pthread_cond_t())
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    // Waits with a limit are measured on a clock that nobody sets.
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(changed, &attributes)
    pthread_condattr_destroy(&attributes)
  }

  deinit {
    pthread_cond_destroy(changed)
    changed.deallocate()
  }

  /// Runs `body` while no other thread holds the lock; it must not take the same lock again.
  package func withLock<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
    try lock.withLock(body)
  }

  /// Lets go of the lock until a `broadcast`, or at times without one, and takes it again; only within `withLock`.
  package func wait() {
    pthread_cond_wait(changed, lock.mutex)
  }

  /// The same for `seconds` at most; false when they are over.
  package func wait(seconds: Double) -> Bool {
    var end = timespec()
    clock_gettime(CLOCK_MONOTONIC, &end)
    let nanoseconds = end.tv_nsec + Int(seconds * 1e9)
    end.tv_sec += nanoseconds / 1_000_000_000
    end.tv_nsec = nanoseconds % 1_000_000_000
    return pthread_cond_timedwait(changed, lock.mutex, &end) == 0
  }

  /// Wakes every thread that waits.
  package func broadcast() {
    pthread_cond_broadcast(changed)
  }
}
