import Foundation

/// What a server answered.
struct Answer {
  let status: Int
  /// By their names in small letters.
  let headers: [String: String]
  let body: String
}

/// Asks with curl, as anybody would.
func curl(_ address: String, _ path: String = "/", _ options: String...) throws -> Answer {
  let process = Process()
  let output = Pipe()
  process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
  process.arguments =
    ["curl", "-s", "-i", "-q", "--noproxy", "*", "--path-as-is", "--max-time", "30"] + options + [
      "http://\(address)\(path)"
    ]
  process.standardOutput = output
  try process.run()
  let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
  process.waitUntilExit()
  let parts = text.components(separatedBy: "\r\n\r\n")
  let lines = parts[0].components(separatedBy: "\r\n")
  let fields = lines.dropFirst().map { line in
    let colon = line.firstIndex(of: ":")!
    return (line[..<colon].lowercased(), line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces))
  }
  return Answer(
    status: Int(lines[0].split(separator: " ").dropFirst().first ?? "") ?? 0,
    headers: Dictionary(fields, uniquingKeysWith: { $1 }), body: parts.dropFirst().joined(separator: "\r\n\r\n"))
}
