import Glibc

/// The monotonic clock in nanoseconds.
package func clockNanoseconds() -> UInt64 { nanoseconds(of: CLOCK_MONOTONIC) }

/// For how long this thread has had a core so far, in nanoseconds: what it waited for does not count.
package func threadCoreNanoseconds() -> UInt64 { nanoseconds(of: CLOCK_THREAD_CPUTIME_ID) }

private func nanoseconds(of clock: clockid_t) -> UInt64 {
  var now = timespec()
  clock_gettime(clock, &now)
  return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
}
