import Basics
import FoundationEssentials
import StyleTransfer

extension StyleBank {
  /// What errors and messages call the bank at `path`.
  package static func name(of path: String) -> String { path.isEmpty ? "embedded style bank" : path }

  /// The bank in the file at `path`, or with an empty path the embedded one, if it fits `model`.
  ///
  /// - Parameter modelFingerprint: of the model's file.
  /// - Throws: `ModelError` where the file is no bank, or one of another model.
  package static func named(
    _ path: String, for model: StyleModel, modelFingerprint: UInt64
  ) throws(ModelError) -> StyleBank {
    let bank = path.isEmpty ? .embedded : try StyleBank(contentsOf: URL(fileURLWithPath: path))
    try bank.checkFit(
      to: model, modelHash: Fingerprint(rawValue: modelFingerprint).description, at: name(of: path))
    return bank
  }
}
