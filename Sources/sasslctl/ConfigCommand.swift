import Commands

/// `sasslctl config show`: the configuration in force.
func configCommand(_ arguments: [String]) throws -> ExitCode {
  let options =
    streamOptions + [
      jsonOption
    ]
  let command = "sasslctl config"
  guard
    let parsed = try ParsedArguments(
      arguments, of: command,
      usage: "\(command) show [options]",
      about:
        "Shows every key of the configuration with the value that is in force, defaults and presets filled in: a\n"
        + "complete configuration file of the same stream.",
      options: options)
  else { return .success }
  guard parsed.operands == ["show"] else {
    throw CommandFailure(.usage, "\(command) takes 'show'; see '\(command) --help'")
  }
  let configuration = try loadConfiguration(parsed).withEveryViewKey
  print(parsed.has("json") ? try jsonText(configuration) : configuration.toml)
  return .success
}
