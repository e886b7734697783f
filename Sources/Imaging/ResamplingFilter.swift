/// How new pixels are made from old ones. Both filters are widened when shrinking (antialiasing), as PIL and torchvision do.
package enum ResamplingFilter: String, Sendable, CaseIterable {
  /// A triangle, 2 pixels wide.
  case bilinear
  /// A cubic with a = -0.5, 4 pixels wide.
  case bicubic

  /// Half the filter's width in pixels, where nothing shrinks.
  var support: Double {
    switch self {
    case .bilinear: 1
    case .bicubic: 2
    }
  }

  /// The filter's value at distance `x`.
  func weight(at x: Double) -> Double {
    let x = abs(x)
    switch self {
    case .bilinear:
      return x < 1 ? 1 - x : 0
    case .bicubic:
      let a = -0.5
      if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
      if x < 2 { return (((x - 5) * x + 8) * x - 4) * a }
      return 0
    }
  }
}
