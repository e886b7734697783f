import FoundationEssentials
import Glibc

extension Date {
  /// Microseconds since 1970.
  var microseconds: Int64 {
    // A clock that is off by millennia must not end the service.
    Int64(max(-9e18, min(9e18, (timeIntervalSince1970 * 1e6).rounded())))
  }

  init(microseconds: Int64) {
    self.init(timeIntervalSince1970: Double(microseconds) / 1e6)
  }
}

extension Duration {
  /// Whole microseconds.
  var microseconds: Int64 {
    components.seconds &* 1_000_000 &+ components.attoseconds / 1_000_000_000_000
  }
}
