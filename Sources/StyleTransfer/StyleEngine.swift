/// Something that runs the two networks. Arguments were checked by ``StyleModel``: sides suit the transformer, the
/// embedding has the model's length, the model has a predictor when `embed` is called.
package protocol StyleEngine: Sendable {
  /// Whether the results have the same bits on every ``KernelPath``.
  var isSameOnEveryPath: Bool { get }

  /// Runs the predictor.
  ///
  /// - Parameters:
  ///   - pixels: `[side][side][3]` uint8 RGB.
  ///   - embedding: receives the coordinates of z.
  func embed(
    _ pixels: UnsafePointer<UInt8>, into embedding: UnsafeMutablePointer<Float>, workspace: StyleWorkspace)

  /// Runs the transformer.
  ///
  /// - Parameters:
  ///   - pixels: `[height][width][3]` uint8 RGB.
  ///   - embedding: the coordinates of z.
  ///   - output: receives `[height][width][3]` in 0...1. Does not overlap the engine's scratch memory.
  func stylize(
    _ pixels: UnsafePointer<UInt8>, width: Int, height: Int, embedding: UnsafePointer<Float>,
    into output: UnsafeMutablePointer<Float>, workspace: StyleWorkspace)
}
