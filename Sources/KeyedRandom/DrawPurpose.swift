/// What a random number is drawn for.
///
/// The purpose is part of the key of every draw, so draws for different purposes are independent: a recipe that stops
/// drawing one number leaves all others as they were. The raw values are part of what makes a stream reproducible:
/// never change or reuse one, only add.
package enum DrawPurpose: UInt16, CaseIterable, Sendable {
  // The order of samples.

  /// The order of the samples within an epoch.
  case epochOrder = 1
  /// Which sample stands in for one that cannot be read.
  case replacement = 2

  // The geometry of a view.

  /// The area of the random resized crop.
  case cropArea = 16
  /// The aspect ratio of the random resized crop.
  case cropAspect = 17
  /// The top left corner of the random resized crop.
  case cropPosition = 18
  /// Whether the view is flipped horizontally.
  case flip = 19

  // The colours of a view.

  /// Whether colour jitter is applied.
  case jitterApplied = 32
  /// The order in which the four parts of colour jitter are applied.
  case jitterOrder = 33
  /// The brightness factor of colour jitter.
  case jitterBrightness = 34
  /// The contrast factor of colour jitter.
  case jitterContrast = 35
  /// The saturation factor of colour jitter.
  case jitterSaturation = 36
  /// The hue shift of colour jitter.
  case jitterHue = 37
  /// Whether the view is turned to grayscale.
  case grayscale = 38
  /// Whether Gaussian blur is applied.
  case blurApplied = 39
  /// The standard deviation of Gaussian blur.
  case blurSigma = 40
  /// Whether the view is solarized.
  case solarize = 41

  // The style of a view.

  /// Whether style transfer is applied.
  case styleApplied = 64
  /// How far the content's embedding moves towards the style's.
  case alpha = 65
  /// How much of the stylized image is mixed into the content.
  case beta = 66
  /// Which style of a folder or a bank is used.
  case styleChoice = 67
  /// Who lends whom a style within a group of samples.
  case styleGroup = 68
}
