import FoundationEssentials
import StyleTransfer

extension StyleBank {
  /// The bank in the file at `path`, or with an empty path the embedded one, if it fits `model`.
  ///
  /// - Throws: `ModelError` where the file is no bank, or one of another model.
  package static func named(_ path: String, for model: StyleModel) throws(ModelError) -> StyleBank {
    let bank = path.isEmpty ? .embedded : try StyleBank(contentsOf: URL(fileURLWithPath: path))
    try bank.checkFit(to: model, at: path.isEmpty ? "embedded style bank" : path)
    return bank
  }
}
