/// The columns that say which style a view got; one set for each view that may be stylized.
package struct StyleColumns {
  /// Sample or style number of the style, -1 where none was applied.
  package let styleIDs: UnsafeMutablePointer<Int64>
  /// 1 where the view was stylized.
  package let applied: UnsafeMutablePointer<UInt8>
  /// How far the embedding moved towards the style's, 0 where none was applied.
  package let alpha: UnsafeMutablePointer<Float>
  /// How much of the stylized picture was mixed in, 0 where none was applied.
  package let beta: UnsafeMutablePointer<Float>
}
