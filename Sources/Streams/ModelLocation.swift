import Basics
import Dataset
import FoundationEssentials
import Glibc
import StyleTransfer

/// Where the style model comes from: a file, or the one that is built into the program.
package struct ModelLocation: Sendable, Equatable {
  /// The file's path; empty for the embedded model.
  package let path: String

  /// A model file, or with an empty path the embedded model.
  package init(_ path: String) { self.path = path }

  /// How status and messages call it.
  package var name: String { path.isEmpty ? "embedded" : path }

  /// Loads the model.
  ///
  /// - Throws: `ModelError`.
  package func load() throws(ModelError) -> StyleModel {
    path.isEmpty ? .embedded : try StyleModel(contentsOf: URL(fileURLWithPath: path))
  }

  /// Loads the model together with a mark of its bytes, which tells embeddings of different models apart, and streams made with them. The
  /// file is read once, so that the mark is of the bytes that are used, whatever becomes of the file meanwhile.
  ///
  /// - Throws: `ModelError`.
  package func loadWithFingerprint() throws(ModelError) -> (model: StyleModel, fingerprint: UInt64) {
    let bytes = path.isEmpty ? StyleModel.embeddedFile : try SafetensorsFile.read(path)
    let fingerprint = Fingerprint { $0.append(bytes: bytes) }.rawValue
    return (path.isEmpty ? .embedded : try StyleModel(bytes: bytes, name: path), fingerprint)
  }
}
