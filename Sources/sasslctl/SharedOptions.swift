import FoundationEssentials
import Glibc
import Service

/// Where the configuration is installed.
let installedConfiguration = "/etc/sassl/sassld.toml"

/// The option that every command about a stream has.
let configOption = CommandOption(
  "config", letter: "c", value: "FILE", "the daemon's configuration (default \(installedConfiguration))")

/// The configuration that `--config` names.
func loadConfiguration(_ parsed: ParsedArguments) throws -> ServiceConfiguration {
  try ServiceConfiguration.load(path: parsed["config"] ?? installedConfiguration)
}

/// JSON as every command prints it: snake-case keys, sorted, on lines of their own.
func jsonText(_ value: some Encodable) throws -> String {
  let encoder = JSONEncoder()
  encoder.keyEncodingStrategy = .convertToSnakeCase
  encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
  return String(decoding: try encoder.encode(value), as: UTF8.self)
}
