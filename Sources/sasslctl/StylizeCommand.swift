import Basics
import Commands
import FoundationEssentials
import Glibc
import Imaging
import Streams
import StyleTransfer

/// `sasslctl stylize`: Algorithm 1 on one picture.
func stylizeCommand(_ arguments: [String]) throws -> ExitCode {
  let options = [
    CommandOption("content", letter: "c", value: "FILE", "the picture whose content stays (JPEG or PNG)"),
    CommandOption("style", letter: "s", value: "FILE", "the picture whose style it takes"),
    CommandOption("alpha", value: "A", "how far its style moves towards the other's, 0 to 1 (default 0.2)"),
    CommandOption("beta", value: "B", "how much of the stylized picture is mixed in, 0 to 1 (default 0.2)"),
    CommandOption("model", letter: "m", value: "FILE", "the style model (default: the embedded one)"),
    CommandOption("out", letter: "o", value: "FILE", "y.png, y.jpg, or y.npy: float32 [height][width][3] in 0...1"),
  ]
  let command = "sasslctl stylize"
  guard
    let parsed = try ParsedArguments(
      arguments, of: command,
      usage: "\(command) --content FILE --style FILE --out FILE [options]",
      about:
        "Stylizes one picture. The style predictor sees both pictures whole, resized to its square input. A content\n"
        + "whose sides are multiples of 4 is not resized; any other is resized to the next smaller multiples.",
      options: options)
  else { return .success }
  try parsed.requireNoOperands(of: command)
  let contentFile = try parsed.required("content", for: command)
  let styleFile = try parsed.required("style", for: command)
  let output = try parsed.required("out", for: command)
  let alpha = try parsed.number("alpha", in: 0...1) ?? Float(0.2)
  let beta = try parsed.number("beta", in: 0...1) ?? Float(0.2)
  let kind = output.hasSuffix(".npy") ? nil : try PictureOutput(path: output, orAlso: ", or in .npy for numbers")
  let model = try ModelLocation(parsed["model"] ?? "").load()
  let embedder = try StyleEmbedder(model: model, limits: .standard)
  let content = try decodePicture(contentFile)
  let style = try decodePicture(styleFile)
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
  return .success
}
