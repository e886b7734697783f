import CEmbeddedModel
import FoundationEssentials
import Glibc

extension StyleModel {
  /// The project's own model, compiled into the program: it needs no file and no network.
  ///
  /// A compact predictor and transformer distilled from the package "lite" pair; docs/model-card.md tells how, and how close
  /// they come. Loaded at the first use and shared afterwards.
  package static let embedded: StyleModel = {
    // The bytes are part of the program and tested with it: a failure here is a broken build.
    try! StyleModel(bytes: embeddedFile, name: "embedded model")
  }()

  /// The bytes of the embedded model's file, for fingerprints and copies.
  package static var embeddedFile: Data { Data(embedded_model()) }
}

extension StyleBank {
  /// The default style bank, compiled into the program: named procedural styles.
  ///
  /// Its embeddings are the embedded model's; other models that share the package pair's embedding space understand them too.
  package static let embedded: StyleBank = {
    // As above.
    try! StyleBank(bytes: embeddedFile, name: "embedded style bank")
  }()

  /// The bytes of the embedded bank's file, for fingerprints and copies.
  package static var embeddedFile: Data { Data(embedded_styles()) }
}

extension Data {
  /// The bytes themselves, not a copy: they are part of the program and never written to.
  fileprivate init(_ bytes: embedded_bytes) {
    self.init(
      bytesNoCopy: UnsafeMutableRawPointer(mutating: bytes.start!), count: bytes.count, deallocator: .none)
  }
}
