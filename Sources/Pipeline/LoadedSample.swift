import Augmentation
import Imaging

/// The picture of a sample, decoded for the views that are made from it.
package struct LoadedSample {
  /// The sample's number in the catalog; another than was planned where that one's file is bad.
  package let sample: Int
  /// The picture, at no more than the resolution that the views need.
  package let picture: RGBImage
  /// The crop of each view, in full-resolution coordinates.
  package let crops: [CropDraw]
}
