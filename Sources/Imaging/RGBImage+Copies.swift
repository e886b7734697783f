extension RGBImage {
  /// A picture with the same pixels.
  package convenience init(copying pixels: PixelBuffer) {
    self.init(width: pixels.width, height: pixels.height)
    self.pixels.copy(from: pixels)
  }

  /// A picture with the same pixels as this one.
  package func copy() -> RGBImage { withExtendedLifetime(self) { RGBImage(copying: $0.pixels) } }

  /// The picture scaled to fit into a square.
  ///
  /// - Parameters:
  ///   - side: of the square, in pixels.
  ///   - multiple: both sides of the result are multiples of this.
  package func fitted(side: Int, multiple: Int = 1) -> RGBImage {
    let scale = Double(side) / Double(max(width, height))
    func scaled(_ length: Int) -> Int { max(multiple, Int(Double(length) * scale) / multiple * multiple) }
    let result = RGBImage(width: scaled(width), height: scaled(height))
    withExtendedLifetime((self, result)) { $1.pixels.resize(from: $0.pixels, workspace: PixelWorkspace()) }
    return result
  }
}
