import BatchIndex
import Commands
import Configuration
import FoundationEssentials
import Glibc
import Imaging
import Streams

/// `sasslctl styles add FOLDER` and `sasslctl styles list`.
func stylesCommand(_ arguments: [String]) throws -> ExitCode {
  let options =
    streamOptions + [
      CommandOption("json", "list: machine-readable")
    ]
  let command = "sasslctl styles"
  guard
    let parsed = try ParsedArguments(
      arguments, of: command,
      usage: "\(command) add FOLDER [options]\n       \(command) list [options]",
      about:
        "add   embeds every picture of a folder now, so that daemon, preview and bench with style.source = \"folder\" start at once\n"
        + "list  shows the style folders whose embeddings are in the index",
      options: options)
  else { return .success }
  switch (parsed.operands.first, parsed.operands.count) {
  case ("add", 2):
    let configuration = try loadConfiguration(parsed)
    let bar = ProgressLine("embedding styles")
    let folder = try StyleFolder.add(parsed.operands[1], to: configuration) { bar.update($0, of: $1) }
    for refusal in folder.refused { print("left out: \(refusal.path): \(refusal.reason)") }
    print(
      "\(folder.names.count) styles, \(folder.reused) of them known before; set style.folder to \(parsed.operands[1])")
  case ("list", 1):
    try listStyles(loadConfiguration(parsed), asJSON: parsed.has("json"))
  default:
    throw CommandFailure(.usage, "\(command) takes 'add FOLDER' or 'list'; see '\(command) --help'")
  }
  return .success
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
