import Basics
import Foundation
import Testing

@Suite("Histograms of durations")
struct DurationHistogramTests {
  @Test("a duration is in the first bucket whose bound it does not exceed, and what exceeds all is kept too")
  func buckets() throws {
    var histogram = DurationHistogram(boundsSeconds: [0.001, 0.01, 1])
    for milliseconds in [0, 1, 2, 10, 11, 1000, 1001, 5000] as [UInt64] {
      histogram.add(nanoseconds: milliseconds * 1_000_000)
    }
    histogram.add(nanoseconds: 1_000_001)
    #expect(histogram.counts == [2, 3, 2, 2])
    #expect(abs(histogram.sumSeconds - 7.026000001 - 0) < 1e-9)
    let copy = try JSONDecoder().decode(DurationHistogram.self, from: JSONEncoder().encode(histogram))
    #expect(copy == histogram)
  }
}
