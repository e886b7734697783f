import Glibc

/// How likely each style of a folder or a bank is to be drawn.
package struct StyleWeights: Sendable, Equatable {
  /// What is said of some of the styles.
  package struct Rule: Sendable, Equatable {
    /// A shell pattern that is compared with the names of styles; `*` matches slashes too.
    package let pattern: String
    /// How likely a style is whose name matches, compared with 1 for one that no rule is about.
    package let weight: Double

    /// A rule; the weight is finite and not negative.
    package init(pattern: String, weight: Double) {
      self.pattern = pattern
      self.weight = weight
    }
  }

  /// Why no style can be drawn by some rules, or not as somebody meant it.
  package enum Fault: Error, Equatable, CustomStringConvertible {
    /// The pattern of a rule matches no style.
    case matchesNothing(pattern: String, styles: Int)
    /// Every style has the weight 0.
    case nothingLeft(styles: Int)

    package var description: String {
      switch self {
      case .matchesNothing(let pattern, let styles):
        "style.weights: \"\(pattern)\" matches the name of none of the \(styles) styles; "
          + "names are paths relative to style.folder, or those of the bank"
      case .nothingLeft(let styles):
        "style.weights: each of the \(styles) styles has the weight 0; give one of them a larger one"
      }
    }
  }

  /// The sum of the weights up to and with each style.
  package let sums: [Double]

  /// The weights of the styles with these names. Where several rules are about one style, the last of them counts.
  ///
  /// - Throws: `Fault`.
  package init(_ rules: [Rule], for names: [String]) throws(Fault) {
    var weights = [Double](repeating: 1, count: names.count)
    for rule in rules {
      let matching = names.indices.filter { fnmatch(rule.pattern, names[$0], 0) == 0 }
      if matching.isEmpty { throw .matchesNothing(pattern: rule.pattern, styles: names.count) }
      for index in matching { weights[index] = rule.weight }
    }
    var sum = 0.0
    sums = weights.map { weight in
      sum += weight
      return sum
    }
    guard sum > 0 else { throw .nothingLeft(styles: names.count) }
  }

  /// The style at the part `share`, in [0, 1), of all weights side by side; one of weight 0 is nowhere.
  package func index(at share: Double) -> Int {
    let total = sums.last!
    let place = share * total
    // Rounding may lead to the very end, which is behind the last style that has a weight.
    guard place < total else { return sums.firstIndex(of: total)! }
    var low = 0
    var high = sums.count - 1
    while low < high {
      let middle = (low + high) / 2
      if sums[middle] > place { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
