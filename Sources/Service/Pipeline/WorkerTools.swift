import Augmentation
import Imaging
import StyleTransfer

/// What one worker keeps for life, so that making an image allocates nothing once it is warm.
package final class WorkerTools {
  let decoder = ImageDecoder()
  /// The picture being cropped.
  let picture = RGBImage(width: 1, height: 1)
  /// What the style predictor looks at.
  let predictorPicture = RGBImage(width: 1, height: 1)
  let pixelWorkspace = PixelWorkspace()
  let styleWorkspace = StyleWorkspace()
  /// Core time since it was last handed in.
  var times = PipelineMetrics.Times()

  package init() {}
}
