import Augmentation
import Imaging
import Memory
import StyleTransfer

/// What one worker keeps for life, so that making an image allocates nothing once it is warm.
package final class WorkerTools {
  /// The file being decoded.
  var file = GrowingMemory<UInt8>()
  let decoder: ImageDecoder
  /// The picture being cropped.
  let picture = RGBImage(width: 1, height: 1)
  /// What the style predictor looks at; square, of the size that it wants.
  var predictorPicture = RGBImage(width: 1, height: 1)
  let pixelWorkspace = PixelWorkspace()
  let styleWorkspace = StyleWorkspace()
  /// Core time since it was last handed in.
  package var times = PipelineMetrics.Times()

  /// Tools for the pictures of `source`.
  package init(for source: StreamSource) {
    decoder = ImageDecoder(appliesOrientation: source.appliesOrientation)
  }
}
