import Imaging

/// A step that happens, with its numbers drawn.
package enum DrawnStep: Sendable {
  /// It changes pixels, and needs nothing but them.
  case pixels(any PixelOperation)
  /// The view takes another style, which needs the style networks and other pictures' embeddings.
  case style(StyleDraw)
}

/// A change of a view's pixels in place, with everything about it decided.
package protocol PixelOperation: Sendable {
  /// Changes the pixels.
  func apply(to view: PixelBuffer, workspace: PixelWorkspace)
}
