import Dataset
import FoundationEssentials
import Glibc
import StyleTransfer

/// Where the style model comes from: a file, or the one that is built into the program.
public struct ModelLocation: Sendable, Equatable {
  /// The file's path; empty for the embedded model.
  public let path: String

  /// A model file, or with an empty path the embedded model.
  public init(_ path: String) { self.path = path }

  /// How status and messages call it.
  public var name: String { path.isEmpty ? "embedded" : path }

  /// Loads the model.
  ///
  /// - Throws: `ModelError`.
  public func load() throws -> StyleModel {
    if path.isEmpty { return .embedded }
    return try StyleModel(contentsOf: URL(fileURLWithPath: path))
  }

  /// A mark of the model's bytes: tells embeddings of different models apart, and streams made with them.
  ///
  /// - Throws: `CommandFailure` where the file cannot be read.
  public func fingerprint() throws(CommandFailure) -> UInt64 {
    if path.isEmpty { return Fingerprint { $0.append(bytes: StyleModel.embeddedFile) }.rawValue }
    guard let bytes = FileManager.default.contents(atPath: path) else {
      throw CommandFailure(.noInput, "cannot read the model \(path)")
    }
    return Fingerprint { $0.append(bytes: bytes) }.rawValue
  }
}
