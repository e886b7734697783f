import Commands
import Testing

/// Serialized: `getopt_long(3)` keeps its place in a global variable.
@Suite("The command line", .serialized)
struct OptionParserTests {
  private let accepted = [
    CommandOption("config", letter: "c", value: "FILE", "the configuration"),
    CommandOption("json", "machine-readable"),
    CommandOption("count", value: "N", "how many"),
  ]

  private func parse(_ arguments: String...) throws -> ParsedArguments {
    try ParsedArguments(arguments, of: "tool", accepting: accepted)
  }

  @Test("long, joined and one-letter forms mean the same; operands keep their order around options")
  func forms() throws {
    for form in [["--config", "x"], ["--config=x"], ["-c", "x"], ["-cx"]] {
      let parsed = try ParsedArguments(["one"] + form + ["--json", "two"], of: "tool", accepting: accepted)
      #expect(parsed["config"] == "x")
      #expect(parsed.has("json"))
      #expect(parsed.operands == ["one", "two"])
    }
    let dashed = try parse("--", "--json")
    #expect(!dashed.has("json") && dashed.operands == ["--json"])
  }

  @Test(
    "what is not understood is a usage error that names it",
    arguments: [["--nonsense"], ["-x"], ["--config"], ["-c"], ["--json=1"]])
  func refused(arguments: [String]) {
    #expect {
      try ParsedArguments(arguments, of: "tool", accepting: accepted)
    } throws: { error in
      guard let failure = error as? CommandFailure else { return false }
      return failure.code == .usage && failure.message.contains(arguments[0].prefix(6))
    }
  }

  @Test("numbers are checked against their range")
  func numbers() throws {
    #expect(try parse("--count", "3").number("count", in: 1...5) == 3)
    #expect(try parse().number("count", in: 1...5) == nil)
    for bad in ["0", "6", "x", "1.5", ""] {
      #expect(throws: CommandFailure.self) { try parse("--count", bad).number("count", in: 1...5) }
    }
  }

  @Test("the help text shows every option with its value and its summary")
  func help() {
    let text = helpText(usage: "tool [options]", about: "Does things.", options: accepted)
    for piece in ["usage: tool [options]", "-c, --config FILE", "--json", "machine-readable", "--count N"] {
      #expect(text.contains(piece))
    }
  }
}
