import Basics
import Imaging
import LongWork
import Sheets
import Streams
import StyleTransfer

/// Pictures in the styles of others, at several strengths, on one sheet.
///
/// The first row shows the styles, the first column the contents. Each style has a column for every alpha, each content a row for
/// every beta.
package struct StyleGrid {
  /// A picture and what it is called.
  package struct Named {
    package let name: String
    package let picture: RGBImage

    package init(name: String, picture: RGBImage) {
      self.name = name
      self.picture = picture
    }
  }

  /// Whose content stays.
  package let contents: [Named]
  /// Whose style is taken.
  package let styles: [Named]
  /// How far towards the style, 0...1.
  package let alphas: [Float]
  /// How much of the stylized picture is mixed in, 0...1.
  package let betas: [Float]
  /// Width and height of a cell in pixels, at least 32.
  package let side: Int

  package init(contents: [Named], styles: [Named], alphas: [Float], betas: [Float], side: Int) {
    self.contents = contents
    self.styles = styles
    self.alphas = alphas
    self.betas = betas
    self.side = side
  }

  /// Stylizes everything and returns the sheet.
  ///
  /// - Parameters:
  ///   - typeface: for the captions; `nil` leaves them out.
  ///   - progress: told before each picture how many are stylized.
  /// - Throws: `ModelError` where the model has no predictor.
  package func picture(
    model: StyleModel, typeface: Typeface?, progress: (WorkProgress) -> Void
  ) throws -> RGBImage {
    let embedder = try StyleEmbedder(model: model, limits: .standard)
    let workspace = StyleWorkspace()
    let shownStyles = styles.map { $0.picture.fitted(side: side) }
    let shownContents = contents.map { $0.picture.fitted(side: side, multiple: ModelArchitecture.sideMultiple) }
    let sheet = PictureSheet(
      columns: 1 + styles.count * alphas.count, cellWidth: side,
      heights: [shownStyles.map(\.height).max()!]
        + shownContents.flatMap { Array(repeating: $0.height, count: betas.count) },
      captionLines: 1, typeface: typeface)
    var embeddings: [StyleEmbedding] = []
    for (column, style) in styles.enumerated() {
      embeddings.append(try withExtendedLifetime(style.picture) { try embedder.embed($0.pixels) })
      sheet.place(
        shownStyles[column], column: 1 + column * alphas.count, row: 0, captions: ["style: \(style.name)"])
    }
    let total = contents.count * betas.count * styles.count * alphas.count
    var done = 0
    for (line, content) in contents.enumerated() {
      let own = try withExtendedLifetime(content.picture) { try embedder.embed($0.pixels) }
      let fitted = shownContents[line]
      for (lineOfContent, beta) in betas.enumerated() {
        let row = 1 + line * betas.count + lineOfContent
        if lineOfContent == 0 { sheet.place(fitted, column: 0, row: row, captions: ["content: \(content.name)"]) }
        for (style, embedding) in embeddings.enumerated() {
          for (columnOfStyle, alpha) in alphas.enumerated() {
            progress(WorkProgress("stylizing", WorkProgress.Count(done, of: total, "pictures")))
            let result = fitted.copy()
            try withExtendedLifetime(result) {
              try model.stylize(
                inPlace: $0.pixels.base, width: $0.width, height: $0.height,
                embedding: own.blended(toward: embedding, alpha: alpha), beta: beta, workspace: workspace)
            }
            sheet.place(
              result, column: 1 + style * alphas.count + columnOfStyle, row: row,
              captions: [String(printf: "alpha %.2f, beta %.2f", Double(alpha), Double(beta))])
            done += 1
          }
        }
      }
    }
    return sheet.image
  }
}
