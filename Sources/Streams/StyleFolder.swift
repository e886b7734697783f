import Basics
import BatchIndex
import Configuration
import Dataset
import FoundationEssentials
import Glibc
import Imaging
import LongWork
import Memory
import Pipeline
import StyleTransfer

/// The pictures of a folder as styles: each is embedded once per model, and the embedding is kept in the index.
package struct StyleFolder: Sendable {
  /// The pictures' paths relative to the folder, in the order of their style numbers.
  package let names: [String]
  /// Their embeddings, in the same order.
  package let embeddings: [StyleEmbedding]
  /// How many of them the index knew before.
  package let reused: Int
  /// Pictures that could not be used, with the reason; they get no number.
  package let refused: [(path: String, reason: String)]

  /// Reads a folder, embedding what the index does not know yet.
  ///
  /// The predictor looks at each picture whole, resized to its square input.
  ///
  /// - Parameters:
  ///   - folder: searched with everything below it.
  ///   - model: needs a predictor.
  ///   - modelFingerprint: tells embeddings of different models apart in the index.
  ///   - reader: where embeddings are looked up; `nil` embeds them all.
  ///   - writer: where new embeddings and the folder's bank are kept; `nil` forgets them.
  ///   - limits: what one file may cost.
  ///   - progress: told before each picture how many are done.
  /// - Throws: `DatasetError` for the folder, `ModelError` for a model without a predictor, `StyleFolderError`.
  package init(
    at folder: String, model: StyleModel, modelFingerprint: UInt64, reader: BatchIndexReader?, writer: BatchIndex?,
    limits: DecodeLimits, progress: (WorkProgress) -> Void
  ) throws {
    let catalog = try SampleCatalog.flatFolder(at: BytePath(folder))
    let embedder = try StyleEmbedder(model: model, limits: limits)
    var names: [String] = []
    var embeddings: [StyleEmbedding] = []
    var refused: [(path: String, reason: String)] = []
    var bank: [StyleBankRecord.Style] = []
    var reused = 0
    // Embeddings of this call, by content: what is written meanwhile may or may not be in the index yet when its like is met.
    var embedded: [UInt64: StyleEmbedding] = [:]
    var file = GrowingMemory<UInt8>()
    func tell(_ done: Int) {
      progress(WorkProgress("embedding styles", WorkProgress.Count(done, of: catalog.count, "pictures")))
    }
    for sample in 0..<catalog.count {
      tell(sample)
      let path = catalog.relativePath(of: sample)
      do {
        let bytes = try catalog.read(sample, limit: limits.maximumBytes, into: &file)
        let contentHash = Fingerprint { $0.append(bytes: bytes) }.rawValue
        let twin = embedded[contentHash]
        let known =
          twin == nil
          ? try? reader?.styleEmbedding(contentHash: contentHash, modelFingerprint: modelFingerprint) : nil
        if let twin {
          embeddings.append(twin)
        } else if let known, known.count == model.architecture.embedding {
          embeddings.append(StyleEmbedding(known))
          reused += 1
        } else {
          let embedding = try embedder.embed(file: bytes)
          embeddings.append(embedding)
          embedded[contentHash] = embedding
          writer?.record(
            StyleEmbeddingRecord(
              contentHash: contentHash, modelFingerprint: modelFingerprint, embedding: embedding.values))
        }
        names.append(path.description)
        bank.append(StyleBankRecord.Style(path: catalog.path(of: sample).bytes, contentHash: contentHash))
      } catch {
        guard error is SampleError || error is ImagingError else { throw error }
        // Left out for a fault of the machine, a picture would leave its number to the next, and the stream would be another.
        if let shortage = Shortage(error, path: catalog.path(of: sample)) {
          throw StyleFolderError.machineAtFault(shortage)
        }
        refused.append((path.description, SampleLoader.reason(for: error)))
      }
    }
    tell(catalog.count)
    guard !embeddings.isEmpty else {
      throw StyleFolderError.nothingUsable(folder: folder, reason: refused[0].reason)
    }
    writer?.record(StyleBankRecord(name: folder, styles: bank))
    self.names = names
    self.embeddings = embeddings
    self.reused = reused
    self.refused = refused
  }
}

extension StyleFolder {
  /// Embeds a folder for the stream of a configuration and keeps the embeddings in its index.
  ///
  /// - Throws: as the initialiser, and where model or index cannot be opened.
  package static func add(
    _ folder: String, to configuration: ServiceConfiguration, progress: (WorkProgress) -> Void
  ) throws -> StyleFolder {
    let (model, modelFingerprint) = try ModelLocation(configuration.style.model).loadWithFingerprint()
    let places = try ServicePlaces(configuration)
    let index = try places.openIndex(windowBatches: configuration.index.windowBatches)
    defer { index.close() }
    return try StyleFolder(
      at: folder, model: model, modelFingerprint: modelFingerprint,
      reader: try? BatchIndexReader(path: places.indexPath), writer: index,
      limits: configuration.limits.decodeLimits, progress: progress)
  }
}
