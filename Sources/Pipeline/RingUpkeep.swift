import Basics
import BatchRing
import Glibc

/// Keeps one rank's ring in order for its feeder: finds out when its file is gone, and makes it anew when it is, or when the
/// reader has scribbled over it.
struct RingUpkeep {
  /// Seconds between looks whether the file is there.
  private static let lookInterval = 1.0
  /// A ring that has to be made anew more often than this within `period` seconds has a reader that does not stop scribbling.
  private static let mostRenewals = 8
  private static let period = 60.0
  /// For how long one call waits for the workers to give back what they were filling.
  private static let patience = Duration.milliseconds(200)
  /// Microseconds between attempts where a new ring cannot be made yet.
  private static let pause: UInt32 = 200_000

  private let ring: RingProducer
  private var lastLook = Moment()
  private var renewals: [Moment] = []

  init(_ ring: RingProducer) { self.ring = ring }

  /// Whether the ring has not been made anew too often of late.
  var mayRenew: Bool { renewals.count { $0.secondsSince <= Self.period } < Self.mostRenewals }

  /// Whether it is time to look, and the ring's file has lost its name.
  mutating func findsNameMissing() -> Bool {
    guard lastLook.secondsSince >= Self.lookInterval else { return false }
    lastLook = Moment()
    return !ring.isNamed
  }

  /// Makes the ring anew. Once the present one is given up there is no way back, so whatever is lacking then is waited for: most often
  /// memory, which the reader of the old ring still holds.
  ///
  /// - Parameters:
  ///   - isStopping: asked now and then; once true, nothing is made any more.
  ///   - onTrouble: told what is lacking, again and again while it is.
  /// - Throws: `RingError`: why that cannot be; the present ring goes on.
  mutating func renew(isStopping: () -> Bool, onTrouble: (RingError) -> Void) throws(RingError) {
    renewals.removeAll { $0.secondsSince > Self.period }
    renewals.append(Moment())
    while !isStopping() {
      do throws(RingError) {
        if try ring.renew(timeout: Self.patience) { return }
      } catch {
        guard ring.counters.producerIsClosed, error.kind != .state else { throw error }
        onTrouble(error)
        usleep(Self.pause)
      }
    }
  }
}
