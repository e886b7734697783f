import Imaging
import StyleTransfer

/// Writes down the styles of whole pictures: decodes a file, resizes it to the predictor's square input, embeds it.
package final class StyleEmbedder {
  private let model: StyleModel
  private let limits: DecodeLimits
  private let decoder: ImageDecoder
  private let picture = RGBImage(width: 1, height: 1)
  private let input: RGBImage
  private let pixelWorkspace = PixelWorkspace()
  private let styleWorkspace = StyleWorkspace()

  /// An embedder for one thread.
  ///
  /// - Throws: `ModelError` where the model has no predictor, `ImagingError` where no decoder can be made.
  package init(model: StyleModel, limits: DecodeLimits) throws {
    let side = try model.requiredPredictorSide()
    self.model = model
    self.limits = limits
    decoder = ImageDecoder()
    input = RGBImage(width: side, height: side)
  }

  /// The style of the picture in a file's bytes.
  ///
  /// - Throws: `ImagingError` for the file.
  package func embed(file: UnsafeRawBufferPointer) throws -> StyleEmbedding {
    try decoder.decode(file, limits: limits, into: picture)
    try pixelWorkspace.reserve(forCrop: picture.fullFrame, of: picture, width: input.width)
    return try embed(picture.pixels)
  }

  /// The style of a picture of any size, looked at whole.
  package func embed(_ pixels: PixelBuffer) throws -> StyleEmbedding {
    input.pixels.resize(from: pixels, workspace: pixelWorkspace)
    return try model.embed(pixels: input.pixels.base, workspace: styleWorkspace)
  }
}
