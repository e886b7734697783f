import Configuration
import Control
import Foundation
import Testing

@Suite("Streams by name")
struct KnownStreamsTests {
  private let folder: String

  init() throws {
    folder = NSTemporaryDirectory() + "known-streams-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  private func install(_ file: String, _ text: String) throws {
    try Data(text.utf8).write(to: URL(filePath: folder + "/" + file))
  }

  private var streams: KnownStreams { KnownStreams(configurationDirectory: folder, runtimeDirectories: [folder]) }

  @Test("an installed stream is found by its own name, whatever its file is called, and by the default")
  func installed() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try install("sassld.toml", "[stream]\nseed = 1")
    try install("photos.toml", "[stream]\nname = \"photos\"\nseed = 2")
    try install("a.toml", "[stream]\nname = \"drawings\"\nseed = 3")
    try install("broken.toml", "[stream]\nseed = \"x\"")
    #expect(try streams.configuration(named: "default").stream.seed == 1)
    #expect(try streams.configuration(named: "photos").stream.seed == 2)
    #expect(try streams.configuration(named: "drawings").stream.seed == 3)
    #expect(try streams.defaultConfiguration().stream.seed == 1)
    // Its name says that it is the one that was meant.
    #expect(throws: ConfigurationError.self) { try streams.configuration(named: "broken") }
  }

  @Test("all installed streams are listed by name, and what is left out is told with its file")
  func all() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try install("sassld.toml", "[stream]\nseed = 1")
    try install("a.toml", "[stream]\nname = \"photos\"\nseed = 2")
    try install("b.toml", "[stream]\nname = \"photos\"\nseed = 3")
    try install("broken.toml", "[stream]\nseed = \"x\"")
    try install("notes.txt", "no configuration")
    let (configurations, leftOut) = streams.all()
    #expect(configurations.map(\.stream.name) == ["default", "photos"])
    #expect(configurations.map(\.stream.seed) == [1, 2])
    #expect(leftOut.count == 2)
    #expect(leftOut.contains { $0.contains("b.toml") && $0.contains("a.toml") && $0.contains("'photos'") })
    #expect(leftOut.contains { $0.contains("broken.toml") && $0.contains("seed") })
  }

  @Test("a name that nobody has is told with what runs, and what is no name is wrong usage")
  func unknown() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let unknown = try #require(throws: KnownStreamError.self) { try streams.configuration(named: "photos") }
    guard case .unknown("photos", folder, _) = unknown else { throw unknown }
    #expect(unknown.description.contains("'photos'") && unknown.description.contains("no daemon"))
    #expect(throws: KnownStreamError.invalidName("a/b.toml")) { try streams.configuration(named: "a/b.toml") }
    let none = try #require(throws: KnownStreamError.self) { try streams.defaultConfiguration() }
    guard case .noDefault = none else { throw none }
  }

  @Test("a fallback directory that another user may have made is not asked")
  func foreignDirectories() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let environment = ["RUNTIME_DIRECTORY": folder]
    #expect(KnownStreams.runtimeDirectories(environment: environment, user: getuid()).first == folder)
    #expect(chmod(folder, 0o777) == 0)
    #expect(!KnownStreams.runtimeDirectories(environment: environment, user: getuid()).contains(folder))
    #expect(chmod(folder, 0o700) == 0)
    let link = folder + "-link"
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: folder)
    defer { unlink(link) }
    #expect(!KnownStreams.runtimeDirectories(environment: ["RUNTIME_DIRECTORY": link], user: getuid()).contains(link))
  }
}
