import Service

/// `sasslctl config show`: the configuration in force.
func configCommand(_ arguments: [String]) throws -> ExitCode {
  let options = [
    configOption,
    CommandOption("json", "machine-readable"),
  ]
  let command = "sasslctl config"
  guard
    let parsed = try ParsedArguments(
      arguments, of: command,
      usage: "\(command) show [options]",
      about: "Shows every key of the configuration with the value that is in force, defaults and presets filled in.",
      options: options)
  else { return .success }
  guard parsed.operands == ["show"] else {
    throw CommandFailure(.usage, "\(command) takes 'show'; see '\(command) --help'")
  }
  let configuration = try loadConfiguration(parsed)
  print(parsed.has("json") ? try jsonText(configuration) : configuration.toml)
  return .success
}
