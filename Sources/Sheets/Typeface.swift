import CFontconfig
import CFreeType
import Imaging

/// The machine's plain typeface at one size, and whatever other fonts have the letters that it lacks.
///
/// Fontconfig says which fonts those are, FreeType draws them. For one thread.
package final class Typeface {
  /// From one line's baseline to the next, in pixels.
  package let lineHeight: Int

  private let library: FT_Library
  private let fonts: [Font]
  /// Faces that were needed so far, by their place in `fonts`; `nil` for a file that FreeType refuses.
  private var faces: [Int: FT_Face?] = [:]
  private let size: Int

  /// A font that is installed.
  private struct Font {
    let file: String
    let index: Int
    let letters: OpaquePointer
  }

  /// The typeface in letters of `size` pixels.
  ///
  /// - Throws: ``TypefaceError``.
  package init(size: Int) throws(TypefaceError) {
    var library: FT_Library?
    guard FT_Init_FreeType(&library) == 0, let library else { throw .noFont }
    self.library = library
    self.size = size
    lineHeight = size + size / 3
    fonts = Self.installedFonts()
    if fonts.isEmpty { throw .noFont }
  }

  deinit {
    for case let face? in faces.values { FT_Done_Face(face) }
    for font in fonts { FcCharSetDestroy(font.letters) }
    FT_Done_FreeType(library)
  }

  /// All fonts that can be drawn at any size, the best for plain text first.
  private static func installedFonts() -> [Font] {
    guard let pattern = FcPatternCreate() else { return [] }
    defer { FcPatternDestroy(pattern) }
    FcPatternAddString(pattern, FC_FAMILY, "sans")
    FcConfigSubstitute(nil, pattern, FcMatchPattern)
    FcDefaultSubstitute(pattern)
    var result = FcResultMatch
    // Fonts that add no letter to those before them are left out.
    guard let set = FcFontSort(nil, pattern, FcBool(FcTrue), nil, &result) else { return [] }
    defer { FcFontSetDestroy(set) }
    return (0..<Int(set.pointee.nfont)).compactMap { position in
      let font = set.pointee.fonts[position]
      var file: UnsafeMutablePointer<FcChar8>?
      var index: Int32 = 0
      var letters: OpaquePointer?
      var isScalable = FcBool(FcFalse)
      guard FcPatternGetString(font, FC_FILE, 0, &file) == FcResultMatch,
        FcPatternGetInteger(font, FC_INDEX, 0, &index) == FcResultMatch,
        FcPatternGetCharSet(font, FC_CHARSET, 0, &letters) == FcResultMatch,
        FcPatternGetBool(font, FC_SCALABLE, 0, &isScalable) == FcResultMatch, isScalable == FcBool(FcTrue),
        let file, let letters
      else { return nil }
      return Font(file: String(cString: file), index: Int(index), letters: FcCharSetCopy(letters))
    }
  }

  /// The first font that has the letter; where none has it, the first of all, which draws its sign for that.
  private func face(for letter: Unicode.Scalar) -> FT_Face? {
    for position in fonts.indices where FcCharSetHasChar(fonts[position].letters, letter.value) == FcBool(FcTrue) {
      if let face = face(at: position) { return face }
    }
    return face(at: 0)
  }

  private func face(at position: Int) -> FT_Face? {
    if let known = faces[position] { return known }
    var face: FT_Face?
    let font = fonts[position]
    if FT_New_Face(library, font.file, FT_Long(font.index), &face) == 0, FT_Set_Pixel_Sizes(face, 0, FT_UInt(size)) != 0
    {
      FT_Done_Face(face)
      face = nil
    }
    faces[position] = .some(face)
    return face
  }

  /// Draws one line of text in dark grey; what lies outside `picture` is left out. What cannot be seen (line breaks and other control
  /// characters) is shown as U+FFFD.
  ///
  /// - Parameters:
  ///   - x: where it begins, in pixels from the left.
  ///   - y: where the line begins, in pixels from the top.
  package func draw(_ text: String, x: Int, y: Int, on picture: PixelBuffer) {
    let baseline = y + size
    walk(text) { glyph, position in
      let bitmap = glyph.bitmap
      for row in 0..<Int(bitmap.rows) {
        for column in 0..<Int(bitmap.width) {
          let (left, top) = (x + position + Int(glyph.bitmap_left) + column, baseline - Int(glyph.bitmap_top) + row)
          guard (0..<picture.width).contains(left), (0..<picture.height).contains(top) else { continue }
          let cover = Int(bitmap.buffer[row * Int(bitmap.pitch) + column])
          let pixel = picture.base + top * picture.rowBytes + left * 3
          for channel in 0..<3 {
            pixel[channel] = UInt8((Int(pixel[channel]) * (255 - cover) + Self.ink * cover) / 255)
          }
        }
      }
    }
  }

  private static let ink = 32

  /// Pixels from the beginning of a line of text to its end.
  package func width(of text: String) -> Int { walk(text) { _, _ in } }

  /// Goes through the glyphs of a text with the position of each in pixels, and returns the position behind the last.
  @discardableResult
  private func walk(_ text: String, _ body: (FT_GlyphSlotRec, Int) -> Void) -> Int {
    // In 64ths of a pixel, as FreeType counts.
    var position = 0
    var before: (face: FT_Face, glyph: FT_UInt)?
    for scalar in text.unicodeScalars {
      let letter = scalar.properties.generalCategory == .control ? "\u{FFFD}" : scalar
      guard let face = face(for: letter) else { continue }
      let glyph = FT_Get_Char_Index(face, FT_ULong(letter.value))
      if let before, before.face == face {
        var kerning = FT_Vector()
        FT_Get_Kerning(face, before.glyph, glyph, FT_KERNING_DEFAULT.rawValue, &kerning)
        position += kerning.x
      }
      guard FT_Load_Glyph(face, glyph, FT_Int32(FT_LOAD_RENDER)) == 0 else { continue }
      let slot = face.pointee.glyph.pointee
      if slot.bitmap.pixel_mode == UInt8(FT_PIXEL_MODE_GRAY.rawValue) { body(slot, position / 64) }
      position += slot.advance.x
      before = (face, glyph)
    }
    return (position + 63) / 64
  }

  /// The text where it fits into `width` pixels; otherwise its beginning and its end, with an ellipsis between them.
  package func fitted(_ text: String, width available: Int) -> String {
    guard width(of: text) > available else { return text }
    let letters = Array(text)
    for kept in stride(from: letters.count - 1, to: 0, by: -1) {
      let shorter = String(letters.prefix((kept + 1) / 2)) + "…" + String(letters.suffix(kept / 2))
      if width(of: shorter) <= available { return shorter }
    }
    return "…"
  }
}

/// Why there is no typeface.
package enum TypefaceError: Error, Equatable, CustomStringConvertible {
  /// Fontconfig knows no font.
  case noFont

  package var description: String {
    "there is no font on this machine; install one, Debian's fonts-dejavu-core for example"
  }
}
