import Basics
import FoundationEssentials
import Glibc
import Imaging
import LongWork
import StyleTransfer

extension StyleBank {
  /// Makes a bank of the pictures of a folder and writes it to a file: their embeddings under their paths relative to the folder, and their
  /// Gaussian where there are two different ones.
  ///
  /// - Parameters:
  ///   - folder: searched with everything below it.
  ///   - file: where the bank is written.
  ///   - location: the model, which needs a predictor; the bank is for this model alone.
  ///   - licence: the licence of the pictures, for whoever uses the bank.
  ///   - limits: what one picture may cost.
  ///   - progress: told before each picture how many are done.
  /// - Returns: the bank, and the pictures that could not be used.
  /// - Throws: as `StyleFolder`, and `ModelError` where the file cannot be written, which is found out before anything is embedded.
  package static func export(
    _ folder: String, to file: String, model location: ModelLocation, licence: String, limits: DecodeLimits,
    progress: (WorkProgress) -> Void
  ) throws -> (bank: StyleBank, refused: [(path: String, reason: String)]) {
    let url = URL(fileURLWithPath: file)
    let directory = url.deletingLastPathComponent().path
    guard access(directory, W_OK) == 0 else {
      throw ModelError.unwritable(file, reason: String(cString: strerror(errno)))
    }
    let (model, fingerprint) = try location.loadWithFingerprint()
    let pictures = try StyleFolder(
      at: folder, model: model, modelFingerprint: fingerprint, reader: nil, writer: nil, limits: limits,
      progress: progress)
    let bank = try StyleBank(
      embeddingLength: model.architecture.embedding,
      entries: zip(pictures.names, pictures.embeddings).map { Entry(name: $0, embedding: $1) },
      provenance: "\(pictures.names.count) pictures, embedded by sasslctl \(programVersion), model \(location.name)",
      licence: licence, distribution: StyleDistribution(of: pictures.embeddings),
      modelHash: Fingerprint(rawValue: fingerprint).description)
    try bank.write(to: url)
    return (bank, pictures.refused)
  }
}
