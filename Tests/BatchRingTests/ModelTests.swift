import Foundation
import Testing

/// Sizes of a search through Tests/RingModel/ring.pml.
struct ModelSize: Sendable, CustomTestStringConvertible {
  let slots: Int
  let batches: Int
  let producerDeaths: Int
  let readerDeaths: Int
  let seeks: Int
  /// Stray writes that are undone.
  var strays = 0
  /// Batches that are moved to private memory while they are held.
  var moves = 0

  var testDescription: String {
    "\(slots) slots, \(batches) batches, \(producerDeaths) + \(readerDeaths) deaths, \(seeks) seeks, \(strays) strays, "
      + "\(moves) moves"
  }

  var definitions: [String] {
    [
      "-DSLOTS=\(slots)", "-DLAST=\(batches)", "-DPRODUCER_DEATHS=\(producerDeaths)",
      "-DREADER_DEATHS=\(readerDeaths)", "-DSEEKS=\(seeks)", "-DSTRAYS=\(strays)", "-DMOVES=\(moves)",
    ]
  }
}

private let hasModelTools = ["/usr/bin/spin", "/usr/bin/cc"].allSatisfy {
  FileManager.default.isExecutableFile(atPath: $0)
}

/// Searches every interleaving of the protocol's model. Larger sizes than these take minutes; docs/reliability.md says
/// which ones were searched.
@Suite(.enabled(if: hasModelTools, "needs spin and cc"))
struct ModelTests {
  @Test(arguments: [
    ModelSize(slots: 1, batches: 2, producerDeaths: 1, readerDeaths: 1, seeks: 0),
    ModelSize(slots: 1, batches: 2, producerDeaths: 0, readerDeaths: 1, seeks: 1),
    ModelSize(slots: 1, batches: 2, producerDeaths: 1, readerDeaths: 0, seeks: 1),
    ModelSize(slots: 2, batches: 3, producerDeaths: 0, readerDeaths: 1, seeks: 0),
    ModelSize(slots: 1, batches: 2, producerDeaths: 0, readerDeaths: 0, seeks: 0, strays: 1),
    ModelSize(slots: 1, batches: 2, producerDeaths: 1, readerDeaths: 1, seeks: 0, moves: 1),
    ModelSize(slots: 2, batches: 3, producerDeaths: 0, readerDeaths: 1, seeks: 0, moves: 1),
  ])
  func noInterleavingLosesRepeatsOrTearsABatchOrEndsInADeadlock(size: ModelSize) throws {
    let report = try search(size)
    #expect(report.contains("errors: 0"), "\(report)")
    #expect(!report.contains("Search not completed"), "\(report)")
  }

  @Test(arguments: [
    ModelSize(slots: 1, batches: 2, producerDeaths: 1, readerDeaths: 1, seeks: 0),
    ModelSize(slots: 1, batches: 2, producerDeaths: 0, readerDeaths: 0, seeks: 0, strays: 1),
  ])
  func everyWaitEnds(size: ModelSize) throws {
    let report = try search(size, breaking: "LIVE", compiler: [], options: ["-a", "-f"])
    #expect(report.contains("errors: 0"), "\(report)")
    #expect(!report.contains("Search not completed"), "\(report)")
  }

  /// What the proof is worth: without any one precaution, the search finds the accident that it prevents.
  @Test(arguments: ["BREAK_FOLLOW", "BREAK_SEEK", "BREAK_WAKE", "BREAK_VOID", "BREAK_REPEAT"])
  func everyPrecautionIsNeeded(precaution: String) throws {
    let isAgainstStrays = precaution == "BREAK_VOID" || precaution == "BREAK_REPEAT"
    let report = try search(
      ModelSize(
        slots: 1, batches: 2, producerDeaths: precaution == "BREAK_FOLLOW" ? 1 : 0,
        readerDeaths: isAgainstStrays ? 0 : 1, seeks: precaution == "BREAK_SEEK" ? 1 : 0,
        strays: isAgainstStrays ? 1 : 0), breaking: precaution)
    #expect(report.contains("errors: 1"), "\(report)")
  }

  private func search(
    _ size: ModelSize, breaking definition: String? = nil, compiler: [String] = ["-DSAFETY"], options: [String] = []
  ) throws -> String {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("ring-model-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let model = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("RingModel/ring.pml")
    let definitions = size.definitions + (definition.map { ["-D\($0)=1"] } ?? [])
    _ = try run("/usr/bin/spin", definitions + ["-a", model.path], in: folder)
    _ = try run("/usr/bin/cc", compiler + ["-O2", "-DCOLLAPSE", "-o", "pan", "pan.c"], in: folder)
    return try run(folder.appendingPathComponent("pan").path, options + ["-n", "-m2000000"], in: folder)
  }

  private func run(_ program: String, _ arguments: [String], in folder: URL) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.currentDirectoryURL = folder
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    try process.run()
    let text = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return String(decoding: text, as: UTF8.self)
  }
}
