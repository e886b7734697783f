import CGlibc
import Glibc
import Testing

@Suite("hypotf: within half a unit in the last place of the double-precision function")
struct HypotenuseTests {
  @Test(
    arguments: [
      (3, 4), (1e-30, 2e-30), (3e38, 1e38), (0, -7.5), (1, 1e-8), (.infinity, .nan), (.nan, -.infinity),
      (.leastNonzeroMagnitude, 0),
    ] as [(Float, Float)])
  func agreesWithHypot(x: Float, y: Float) {
    #expect(CGlibc.hypotf(x, y) == Float(hypot(Double(x), Double(y))))
  }

  @Test func keepsWhatIsNotANumber() {
    #expect(CGlibc.hypotf(.nan, 1).isNaN)
  }
}
