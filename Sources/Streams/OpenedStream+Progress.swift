import Dataset

extension OpenedStream {
  /// How far the opening of a stream is.
  package enum Progress: Sendable, CustomStringConvertible {
    /// The dataset is being read; how many samples were found is not told with every layout.
    case readingDataset(samples: Int?)
    /// The headers of shards are being read.
    case readingShards(SampleCatalog.ShardProgress)
    /// Pictures of a style folder are being embedded.
    case embeddingStyles(done: Int, total: Int)

    package var description: String {
      switch self {
      case .readingDataset(nil): "reading the dataset"
      case .readingDataset(let samples?): "reading the dataset: \(samples) samples so far"
      case .readingShards(let shards):
        "reading the dataset: \(shards.done) of \(shards.total) shards, \(shards.samples) samples so far"
      case .embeddingStyles(let done, let total): "embedding styles: \(done) of \(total)"
      }
    }
  }
}
