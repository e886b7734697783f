import CImagingKernels
import Memory

/// The windows and weights of one axis, as 16-bit fractions: the same numbers that PyTorch's 8-bit resampling uses.
struct ResamplingAxis: ~Copyable {
  private var starts = GrowingMemory<Int32>()
  private var weights = GrowingMemory<Int16>()
  private var window = GrowingMemory<Double>()
  private var exact = GrowingMemory<Double>()
  /// What the kernels read; valid until the next `plan`.
  private(set) var plan = imaging_axis()

  /// Plans `outputs` samples from the part of an axis that begins at `origin` and is `length` long, reading only samples from
  /// `bounds`; all in input samples.
  ///
  /// - Parameter tapMultiple: taps are padded with zero weights to this multiple.
  /// - Returns: the upper end of what the windows read; beyond `bounds` only where `bounds` is shorter than one window.
  mutating func prepare(
    origin: Double, length: Double, bounds: Range<Int>, outputs: Int, filter: ResamplingFilter, tapMultiple: Int
  ) -> Int {
    let scale = length / Double(outputs)
    let stretch = max(scale, 1)
    let support = filter.support * stretch
    let starts = starts.demand(outputs)
    // Where the window of an output begins and ends. Rounding may make one a sample longer than the filter: it is cut.
    let longest = Int(support.rounded(.up)) * 2 + 1
    func extent(of output: Int) -> (centre: Double, first: Int, count: Int) {
      let centre = origin + scale * (Double(output) + 0.5)
      let first = max(Int(centre - support + 0.5), bounds.lowerBound)
      return (centre, first, min(max(min(Int(centre + support + 0.5), bounds.upperBound) - first, 0), longest))
    }
    let widest = (0..<outputs).reduce(1) { max($0, extent(of: $1).count) }
    let taps = (widest + tapMultiple - 1) / tapMultiple * tapMultiple
    let exact = exact.demand(outputs * taps)
    let window = window.demand(widest)
    let readable = max(bounds.upperBound, bounds.lowerBound + taps)
    var largest = 0.0
    for output in 0..<outputs {
      var (centre, first, count) = extent(of: output)
      var total = 0.0
      for tap in 0..<count {
        let weight = filter.weight(at: (Double(tap + first) - centre + 0.5) / stretch)
        window[tap] = weight
        total += weight
      }
      // The window is moved so that the padding, too, reads samples that exist.
      let shift = max(first + taps - readable, 0)
      first -= shift
      for tap in 0..<taps {
        let source = tap - shift
        let weight = source >= 0 && source < count ? window[source] / total : 0
        exact[output * taps + tap] = weight
        largest = max(largest, weight)
      }
      starts[output] = Int32(first)
    }
    // As many fractional bits as the largest weight leaves room for in 16 bits.
    var precision = 0
    while precision < 22, Int(0.5 + largest * Double(1 << (precision + 1))) < 1 << 15 { precision += 1 }
    let weights = weights.demand(outputs * taps)
    let one = Double(1 << precision)
    for index in 0..<(outputs * taps) {
      let scaled = exact[index] * one
      weights[index] = Int16(scaled < 0 ? scaled - 0.5 : scaled + 0.5)
    }
    plan = imaging_axis(starts: starts, weights: weights, taps: Int32(taps), precision: Int32(precision))
    return readable
  }
}
