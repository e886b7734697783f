import Foundation
import Imaging
import Streams
import StyleTransfer
import Testing

@Suite("A style folder")
struct StyleFolderTests {
  @Test(
    "is refused where the machine, not a picture, is at fault: without the picture it would be another list of styles")
  func machineAtFault() throws {
    // In memory's own file system, which alone has files that are larger than any address space.
    let folder = "/dev/shm/sassl-styles-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    #expect(FileManager.default.createFile(atPath: folder + "/0.png", contents: nil))
    func open() throws -> StyleFolder {
      try StyleFolder(
        at: folder, model: .embedded, modelFingerprint: 0, reader: nil, writer: nil,
        limits: DecodeLimits(maximumPixels: 1000, maximumBytes: .max), progress: { _ in })
    }
    // A picture that is bad is left out.
    let empty = try #require(throws: StyleFolderError.self) { try open() }
    guard case .nothingUsable(folder, _) = empty else { throw empty }
    #expect(truncate(folder + "/0.png", 1 << 60) == 0)
    let failure = try #require(throws: StyleFolderError.self) { try open() }
    guard case .machineAtFault = failure else { throw failure }
    #expect(failure.description.contains("/0.png cannot be read: Cannot allocate memory"), "\(failure)")
  }
}
