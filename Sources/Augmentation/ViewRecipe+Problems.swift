extension ViewRecipe {
  /// What is wrong with the recipe: one clause per value outside its range, naming the value, the range and what was given. Empty
  /// for a recipe that can be used.
  package var problems: [String] {
    var problems: [String] = []
    func check(_ holds: Bool, _ problem: @autoclosure () -> String) {
      if !holds { problems.append(problem()) }
    }
    func checkProbability(_ probability: Double, of step: String) {
      check((0...1).contains(probability), "the probability of \(step) must lie in 0...1, not \(probability)")
    }
    func checkStrength(_ strength: Double, of step: String, upTo limit: Double) {
      check((0...limit).contains(strength), "the strength of \(step) must lie in 0...\(limit), not \(strength)")
    }
    func checkShare(_ share: ClosedRange<Double>, _ name: String) {
      check(share.lowerBound >= 0 && share.upperBound <= 1, "\(name) must lie within 0...1, not \(share)")
    }
    check((4...4096).contains(side), "the side must lie in 4...4096 pixels, not \(side)")
    check(
      cropArea.lowerBound > 0 && cropArea.upperBound <= 1,
      "the crop's area must lie within (0, 1], not \(cropArea)")
    check(
      cropAspect.lowerBound > 0 && cropAspect.upperBound.isFinite,
      "the crop's aspect ratio must be positive, not \(cropAspect)")
    checkProbability(flipProbability, of: "flip")
    checkProbability(grayscaleProbability, of: "grayscale")
    if let style {
      checkProbability(style.probability, of: "style transfer")
      checkShare(style.alpha, "alpha")
      checkShare(style.beta, "beta")
      check(side % 4 == 0, "the side must be a multiple of 4 for style transfer, not \(side)")
    }
    if let jitter {
      checkProbability(jitter.probability, of: "colour jitter")
      checkStrength(jitter.brightness, of: "brightness", upTo: 10)
      checkStrength(jitter.contrast, of: "contrast", upTo: 10)
      checkStrength(jitter.saturation, of: "saturation", upTo: 10)
      checkStrength(jitter.hue, of: "hue", upTo: 0.5)
    }
    if let blur {
      checkProbability(blur.probability, of: "blur")
      check(
        blur.sigma.lowerBound > 0 && blur.sigma.upperBound.isFinite,
        "the blur's sigma must be positive, not \(blur.sigma)")
      check(
        blur.kernelSize > 0 && blur.kernelSize % 2 == 1 && blur.kernelSize / 2 < side,
        "the blur's kernel must be odd and less than twice the side, not \(blur.kernelSize)")
    }
    if let solarize { checkProbability(solarize.probability, of: "solarize") }
    return problems
  }
}
