import Augmentation
import Imaging
import StyleTransfer

/// One style transfer, with all that was drawn for it: Algorithm 1 of the SASSL paper.
package struct Stylization: Sendable {
  /// How strong it is.
  package var strength: StyleDraw
  /// The picture's own style.
  package let own: StyleEmbedding
  /// The style that it moves towards.
  package let lent: StyleEmbedding
  /// The number of that style, as the `style_ids` column has it.
  package let style: Int64
  /// Where in the batch that style comes from; `nil` where it comes from a list.
  package let lender: Int?

  /// Stylizes a picture in place.
  package func apply(
    _ model: StyleModel, to picture: PixelBuffer, tools: WorkerTools
  ) throws(ModelError) {
    try model.stylize(
      inPlace: picture.base, width: picture.width, height: picture.height,
      embedding: own.blended(toward: lent, alpha: Float(strength.alpha)), beta: Float(strength.beta),
      workspace: tools.styleWorkspace)
  }
}
