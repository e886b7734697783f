import BatchIndex
import Commands
import Configuration
import FoundationEssentials
import Glibc
import Imaging
import Streams
import StyleTransfer

/// `sasslctl styles add FOLDER`, `sasslctl styles export FOLDER` and `sasslctl styles list`.
func stylesCommand(_ arguments: [String]) throws -> ExitCode {
  let options =
    streamOptions + [
      CommandOption("out", letter: "o", value: "FILE", "export: the style bank to write"),
      CommandOption(
        "model", letter: "m", value: "FILE",
        "export: the style model (default: that of the stream which --config or\n--name tells, else the embedded one)"),
      CommandOption(
        "licence", value: "TEXT", "export: the licence of the pictures, which the bank tells (default: unknown)"),
      CommandOption("json", "list: machine-readable"),
    ]
  let command = "sasslctl styles"
  guard
    let parsed = try ParsedArguments(
      arguments, of: command,
      usage: "\(command) add FOLDER [options]\n       \(command) export FOLDER --out FILE [options]\n"
        + "       \(command) list [options]",
      about:
        "add     embeds every picture of a folder now and keeps that in the stream's index, so that daemon, preview and\n"
        + "        bench start at once with style.source = \"folder\"\n"
        + "export  makes a style bank of a folder: a file that takes the pictures' place, for style.source = \"bank\" and,\n"
        + "        with the Gaussian of at least two different styles, \"sampled\"\n"
        + "list    shows the style folders whose embeddings are in the index",
      options: options)
  else { return .success }
  switch (parsed.operands.first, parsed.operands.count) {
  case ("add", 2):
    let configuration = try loadConfiguration(parsed)
    let folder = try showingProgress { try StyleFolder.add(parsed.operands[1], to: configuration, progress: $0) }
    tell(folder.refused)
    print(
      "\(folder.names.count) styles, \(folder.reused) of them known before; set style.folder to \(parsed.operands[1])")
  case ("export", 2):
    try exportStyles(parsed.operands[1], to: try parsed.required("out", for: "\(command) export"), parsed)
  case ("list", 1):
    try listStyles(loadConfiguration(parsed), asJSON: parsed.has("json"))
  default:
    throw CommandFailure(.usage, "\(command) takes 'add FOLDER', 'export FOLDER' or 'list'; see '\(command) --help'")
  }
  return .success
}

private func tell(_ refused: [(path: String, reason: String)]) {
  for refusal in refused { print("left out: \(refusal.path): \(refusal.reason)") }
}

/// A bank needs no stream, so a configuration is looked for only where one is named.
private func exportStyles(_ folder: String, to file: String, _ parsed: ParsedArguments) throws {
  let configuration = parsed.has("config") || parsed.has("name") ? try loadConfiguration(parsed) : nil
  let (bank, refused) = try showingProgress { progress in
    try StyleBank.export(
      folder, to: file, model: ModelLocation(parsed["model"] ?? configuration?.style.model ?? ""),
      licence: parsed["licence"] ?? "unknown: that of the pictures",
      limits: configuration?.limits.decodeLimits ?? .standard, progress: progress)
  }
  tell(refused)
  let use = bank.distribution == nil ? "; its styles are all the same, so it has no Gaussian" : " or \"sampled\""
  print("\(bank.entries.count) styles in \(file); set style.bank to it, and style.source to \"bank\"\(use)")
}

/// One line of `sasslctl styles list`.
private struct StyleFolderDescription: Encodable {
  let folder: String
  let styles: Int
}

private func listStyles(_ configuration: ServiceConfiguration, asJSON: Bool) throws {
  let path = ServicePlaces(of: configuration).indexPath
  let banks: [StyleFolderDescription]
  do throws(DatabaseError) {
    banks = try BatchIndexReader(path: path).styleBanks().map {
      StyleFolderDescription(folder: $0.name, styles: $0.styles.count)
    }
  } catch {
    // Where there is no index yet, it holds no styles.
    guard access(path, F_OK) != 0, errno == ENOENT else {
      throw CommandFailure(.noInput, "cannot read the index \(path): \(error)")
    }
    banks = []
  }
  if asJSON {
    print(try jsonText(banks))
  } else if banks.isEmpty {
    print("no style folders are in the index \(path); 'sasslctl styles add FOLDER' adds one")
  } else {
    for bank in banks { print("\(bank.folder): \(bank.styles) styles") }
  }
}
