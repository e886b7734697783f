import Imaging

extension ViewDraws {
  /// Fills `view` with this draw's crop of `image`: the first step of a view, straight into its final memory.
  package func applyCrop(of image: RGBImage, into view: PixelBuffer, workspace: PixelWorkspace) {
    view.resizedCrop(
      from: image, crop(ofWidth: image.originalWidth, height: image.originalHeight), filter: filter,
      workspace: workspace)
  }

  /// Applies what follows style transfer, in place and in the recipe's order: flip, colour jitter, grayscale, blur, solarize.
  package func applyAfterStyle(to view: PixelBuffer, workspace: PixelWorkspace) {
    if isFlipped { view.flipHorizontally() }
    if let jitter {
      for adjustment in jitter.order {
        switch adjustment {
        case .brightness: view.adjustBrightness(factor: jitter.brightness)
        case .contrast: view.adjustContrast(factor: jitter.contrast)
        case .saturation: view.adjustSaturation(factor: jitter.saturation)
        case .hue: view.adjustHue(shift: jitter.hue)
        }
      }
    }
    if isGray { view.convertToGrayscale() }
    if let blur { view.blur(kernelSize: blur.kernelSize, sigma: blur.sigma, workspace: workspace) }
    if let solarizeThreshold { view.solarize(threshold: solarizeThreshold) }
  }
}
