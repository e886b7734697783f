import Foundation

/// The contents of a safetensors file, checked from end to end when it is opened.
public struct SafetensorsFile: Sendable {
  /// Reads and checks a file.
  /// - Throws: ``ModelError``.
  public init(contentsOf url: URL) throws(ModelError) { fatalError("not yet") }
  /// Checks a file in memory.
  /// - Throws: ``ModelError``.
  public init(bytes: Data, name: String) throws(ModelError) { fatalError("not yet") }
}
