import Commands
import FoundationEssentials
import Glibc
import Preview

/// `sasslctl preview`: a picture of one batch.
func previewCommand(_ arguments: [String]) throws -> ExitCode {
  let options =
    streamOptions + [
      CommandOption("out", letter: "o", value: "FILE", "the picture to write: x.png, x.jpg or x.webp"),
      CommandOption("batch", letter: "b", value: "N", "which batch (default 0)"),
      CommandOption("rows", letter: "r", value: "N", "how many of its samples, 1 to 64 (default 6)"),
      CommandOption("difference", value: "N", "show what the style changes as well, N times larger: 1 to 32"),
    ]
  let command = "sasslctl preview"
  guard
    let parsed = try ParsedArguments(
      arguments, of: command,
      usage: "\(command) --out FILE [options]",
      about:
        "Draws what a trainer would read, and how it came about. Each sample has a row: its original; the crop of the\n"
        + "view that is stylized; the style's own picture; the crop at full strength and at the strength that was drawn;\n"
        + "then the finished views. The batch is made from the configuration alone; no daemon is needed.",
      options: options)
  else { return .success }
  try parsed.requireNoOperands(of: command)
  let out = try parsed.required("out", for: command)
  let kind = try PictureOutput(path: out)
  let batch = try parsed.number("batch", in: 0...UInt64(Int64.max)) ?? 0
  let rows = try parsed.number("rows", in: 1...64) ?? 6
  let magnification = try parsed.number("difference", in: 1...32)
  let configuration = try loadConfiguration(parsed)
  let sheet = try showingProgress { progress in
    try BatchPreview(configuration, progress: progress).picture(
      batch: batch, rows: rows, magnification: magnification, typeface: captionTypeface(), progress: progress)
  }
  try write(try kind.encode(sheet), to: out)
  return .success
}
