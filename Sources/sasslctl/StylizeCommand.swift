import Basics
import Commands
import FoundationEssentials
import Glibc
import Imaging
import Preview
import Streams
import StyleTransfer

/// `sasslctl stylize`: Algorithm 1 on one picture, or on several in a grid.
func stylizeCommand(_ arguments: [String]) throws -> ExitCode {
  let options = [
    CommandOption("content", letter: "c", value: "FILE", "the picture whose content stays; may stand several times"),
    CommandOption("style", letter: "s", value: "FILE", "the picture whose style it takes; may stand several times"),
    CommandOption("alpha", value: "A[,A...]", "how far its style moves towards the other's, 0 to 1 (default 0.2)"),
    CommandOption("beta", value: "B[,B...]", "how much of the stylized picture is mixed in, 0 to 1 (default 0.2)"),
    CommandOption("side", value: "N", "longest side of the pictures of a grid, in pixels (default 224)"),
    CommandOption("model", letter: "m", value: "FILE", "the style model (default: the embedded one)"),
    CommandOption(
      "out", letter: "o", value: "FILE", "y.png, y.jpg, y.webp, or y.npy: float32 [height][width][3] in 0...1"),
  ]
  let command = "sasslctl stylize"
  guard
    let parsed = try ParsedArguments(
      arguments, of: command,
      usage: "\(command) --content FILE --style FILE --out FILE [options]",
      about:
        "Stylizes one picture. The style predictor sees both pictures whole, resized to its square input. A content\n"
        + "whose sides are multiples of 4 is not resized; any other is resized to the next smaller multiples.\n"
        + "With several contents, styles, alphas or betas it makes a grid: styles in the first row, contents in the\n"
        + "first column, a column for each alpha of each style, a row for each beta of each content.",
      options: options)
  else { return .success }
  try parsed.requireNoOperands(of: command)
  let contentFiles = try parsed.all("content", for: command)
  let styleFiles = try parsed.all("style", for: command)
  let output = try parsed.required("out", for: command)
  let alphas = try parsed.numbers("alpha", in: 0...1) ?? [Float(0.2)]
  let betas = try parsed.numbers("beta", in: 0...1) ?? [Float(0.2)]
  let side = try parsed.number("side", in: ModelArchitecture.minimumSide...1024)
  let isGrid = [contentFiles.count, styleFiles.count, alphas.count, betas.count].contains { $0 > 1 }
  if side != nil && !isGrid { throw CommandFailure(.usage, "--side is for grids; this is one picture") }
  let kind =
    output.hasSuffix(".npy") && !isGrid
    ? nil : try PictureOutput(path: output, orAlso: isGrid ? "" : ", or in .npy for numbers")
  let model = try ModelLocation(parsed["model"] ?? "").load()
  if let kind, isGrid {
    let grid = StyleGrid(
      contents: try contentFiles.map(namedPicture), styles: try styleFiles.map(namedPicture), alphas: alphas,
      betas: betas, side: side ?? 224)
    let sheet = try showingProgress { try grid.picture(model: model, typeface: captionTypeface(), progress: $0) }
    try write(try kind.encode(sheet), to: output)
  } else {
    try stylizeOne(
      try decodePicture(contentFiles[0]), style: try decodePicture(styleFiles[0]), alpha: alphas[0], beta: betas[0],
      model: model, output: output, kind: kind)
  }
  return .success
}

private func namedPicture(_ path: String) throws -> StyleGrid.Named {
  StyleGrid.Named(name: URL(filePath: path).lastPathComponent, picture: try decodePicture(path))
}

/// - Parameter kind: of the picture file; `nil` for numbers.
private func stylizeOne(
  _ content: RGBImage, style: RGBImage, alpha: Float, beta: Float, model: StyleModel, output: String,
  kind: PictureOutput?
) throws {
  let embedder = try StyleEmbedder(model: model, limits: .standard)
  let multiple = ModelArchitecture.sideMultiple
  let picture = RGBImage(
    width: max(ModelArchitecture.minimumSide, content.width / multiple * multiple),
    height: max(ModelArchitecture.minimumSide, content.height / multiple * multiple))
  // Their pixels do not keep them alive.
  defer { withExtendedLifetime((content, style, picture)) {} }
  if picture.width == content.width && picture.height == content.height {
    picture.pixels.copy(from: content.pixels)
  } else {
    picture.pixels.resize(from: content.pixels, workspace: PixelWorkspace())
  }
  let own = try embedder.embed(content.pixels)
  let embedding = own.blended(toward: try embedder.embed(style.pixels), alpha: alpha)
  let workspace = StyleWorkspace()
  if let kind {
    try model.stylize(
      inPlace: picture.pixels.base, width: picture.width, height: picture.height, embedding: embedding, beta: beta,
      workspace: workspace)
    try write(try kind.encode(picture), to: output)
  } else {
    var values = [Float](repeating: 0, count: picture.width * picture.height * 3)
    try values.withUnsafeMutableBufferPointer { buffer in
      try model.stylize(
        pixels: picture.pixels.base, width: picture.width, height: picture.height, embedding: embedding, beta: beta,
        into: buffer.baseAddress!, workspace: workspace)
    }
    try write(NumPyFile.encode(values, shape: [picture.height, picture.width, 3]), to: output)
  }
}
