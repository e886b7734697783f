import Glibc

/// State that several threads share. There is no way to it but under the lock, which is why it needs no promises to the compiler
/// where it is used. For example:
///
/// ```swift
/// private let counts = Mutex(Counts())
/// func add(_ images: Int) { counts.withLock { $0.images += images } }
/// ```
///
/// `Synchronization.Mutex` looks the same and is not used, for the thread sanitizer: on Linux its slow path is a futex in a library
/// that is not instrumented, so the sanitizer does not see that one thread waited for another, and reports races that are none. The
/// mutex of POSIX threads, which it knows, is what this one stands on. Nor could a `Monitor` wait on the other. Foundation's
/// `NSLock` would bring all of Foundation and its tables of languages into the programs, tens of megabytes that nothing here uses.
package final class Mutex<State: Sendable>: @unchecked Sendable {
  // Unchecked because the compiler cannot see that `handle` guards `state`. At an address of its own: a mutex must not move.
  fileprivate let handle = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  fileprivate var state: State

  /// Shares `state`, with a lock that nobody holds.
  package init(_ state: State) {
    self.state = state
    handle.initialize(to: pthread_mutex_t())
    pthread_mutex_init(handle, nil)
  }

  deinit {
    pthread_mutex_destroy(handle)
    handle.deallocate()
  }

  /// Runs `body` on the state while no other thread can see it; it must not take the same lock again.
  package func withLock<Result, Failure: Error>(
    _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    pthread_mutex_lock(handle)
    defer { pthread_mutex_unlock(handle) }
    return try body(&state)
  }
}

/// State that several threads share, and whose changes they can wait for.
package final class Monitor<State: Sendable>: @unchecked Sendable {
  // Unchecked because the compiler cannot see that a condition variable may be used by any thread.
  private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private let mutex: Mutex<State>

  /// Shares `state`, with a lock that nobody holds and a change that nobody waits for.
  package init(_ state: State) {
    mutex = Mutex(state)
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

  /// Runs `body` on the state while no other thread can see it, and wakes nobody: to look, or to change what nobody waits for. It
  /// must not take the same lock again.
  package func withLock<Result, Failure: Error>(
    _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try mutex.withLock(body)
  }

  /// The same, and then everybody who waits looks at the state again.
  package func update<Result, Failure: Error>(
    _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    defer { pthread_cond_broadcast(changed) }
    return try mutex.withLock(body)
  }

  /// Runs `body` on the state, now and whenever it may have changed, until it returns a value. What it changes itself wakes nobody.
  package func wait<Result, Failure: Error>(
    until body: (inout State) throws(Failure) -> Result?
  ) throws(Failure) -> Result {
    pthread_mutex_lock(mutex.handle)
    defer { pthread_mutex_unlock(mutex.handle) }
    while true {
      if let result = try body(&mutex.state) { return result }
      pthread_cond_wait(changed, mutex.handle)
    }
  }

  /// The same for `seconds` at most; `nil` when they are over.
  package func wait<Result, Failure: Error>(
    seconds: Double, until body: (inout State) throws(Failure) -> Result?
  ) throws(Failure) -> Result? {
    var end = timespec()
    clock_gettime(CLOCK_MONOTONIC, &end)
    let nanoseconds = end.tv_nsec + Int(max(0, seconds) * 1e9)
    end.tv_sec += nanoseconds / 1_000_000_000
    end.tv_nsec = nanoseconds % 1_000_000_000
    pthread_mutex_lock(mutex.handle)
    defer { pthread_mutex_unlock(mutex.handle) }
    while true {
      if let result = try body(&mutex.state) { return result }
      if pthread_cond_timedwait(changed, mutex.handle, &end) == ETIMEDOUT { return try body(&mutex.state) }
    }
  }
}
