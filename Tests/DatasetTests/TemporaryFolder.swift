import Basics
import Dataset
import Foundation

/// A folder of one test's own, removed with everything in it when the test is done.
final class TemporaryFolder {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "sassl-dataset-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit {
    try? FileManager.default.removeItem(atPath: path)
  }

  var root: BytePath { BytePath(path) }

  /// Writes a file, making the directories that it needs, and returns its path.
  @discardableResult
  func write(_ name: String, _ content: some Sequence<UInt8> = "image".utf8) throws -> BytePath {
    let file = URL(filePath: path).appending(path: name)
    try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(content).write(to: file)
    return root.appending(BytePath(name))
  }

  /// Writes a file whose name is any bytes.
  func write(_ name: BytePath, _ content: String = "image") {
    let path = root.appending(name).bytes.map { CChar(bitPattern: $0) } + [0]
    let descriptor = open(path, O_CREAT | O_WRONLY, 0o644)
    precondition(descriptor >= 0, "cannot make \(name)")
    _ = content.withCString { Glibc.write(descriptor, $0, content.utf8.count) }
    close(descriptor)
  }

  func link(_ name: String, to target: String) throws {
    try FileManager.default.createSymbolicLink(atPath: path + "/" + name, withDestinationPath: target)
  }

  func makeDirectory(_ name: String) throws {
    try FileManager.default.createDirectory(atPath: path + "/" + name, withIntermediateDirectories: true)
  }
}

extension SampleCatalog {
  /// All relative paths in order.
  var relativePaths: [BytePath] { (0..<count).map { relativePath(of: $0) } }
  /// All labels in order.
  var labels: [Int64] { (0..<count).map { label(of: $0) } }
}
