import CSystemd
import Dispatch
import FoundationEssentials
import Glibc
import Synchronization

/// Tells the service manager how the daemon is doing, by the protocol of `sd_notify(3)`.
///
/// Outside systemd every call does nothing. No call waits: a manager that does not read must not hold up the stream or its end.
package final class ServiceNotifier: Sendable {
  /// Messages that may wait for the manager; more are left out, since what they say is old by then.
  private static let mostWaiting = 16

  private let queue = DispatchQueue(label: "sassl.notifier")
  private let waiting = Atomic(0)

  /// How often systemd wants a sign of life, in seconds; `nil` where no watchdog is set for this process.
  package let watchdogInterval: TimeInterval?

  /// Reads the watchdog's interval from the environment, as `sd_watchdog_enabled(3)` does.
  package init() {
    var microseconds: UInt64 = 0
    watchdogInterval = sd_watchdog_enabled(0, &microseconds) > 0 ? TimeInterval(microseconds) / 1e6 : nil
  }

  /// The daemon is ready: its rings are allocated and hold a first batch.
  package func ready(status: String) { send("READY=1\nSTATUS=\(status)") }

  /// One line for `systemctl status`, and where the daemon gets on, for how long it may do without a further one.
  package func starting(status: String, mayTakeSeconds seconds: Int?) {
    send((seconds.map { "EXTEND_TIMEOUT_USEC=\($0 * 1_000_000)\n" } ?? "") + "STATUS=\(status)")
  }

  /// One line for `systemctl status`.
  package func status(_ text: String) { send("STATUS=\(text)") }

  /// A sign of life. Call it only after progress, or while waiting for the reader is all there is to do.
  package func watchdog() { send("WATCHDOG=1") }

  /// The daemon is about to stop.
  package func stopping(status: String) { send("STOPPING=1\nSTATUS=\(status)") }

  /// The daemon reads its configuration again; follow with `ready(status:)`.
  package func reloading() {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    send("RELOADING=1\nMONOTONIC_USEC=\(UInt64(now.tv_sec) * 1_000_000 + UInt64(now.tv_nsec) / 1000)")
  }

  private func send(_ text: String) {
    guard waiting.add(1, ordering: .relaxed).newValue <= Self.mostWaiting else {
      waiting.subtract(1, ordering: .relaxed)
      return
    }
    queue.async { [self] in
      _ = sd_notify(0, text)
      waiting.subtract(1, ordering: .relaxed)
    }
  }
}
