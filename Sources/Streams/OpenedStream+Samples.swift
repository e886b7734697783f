import Basics
import Configuration
import Dataset
import LongWork

extension OpenedStream {
  /// The samples that a configuration names, those of all its sources in their order.
  ///
  /// - Parameter progress: told now and then how many have been found, where that takes long.
  /// - Throws: `DatasetError`.
  package static func catalog(
    _ configuration: ServiceConfiguration, progress: (WorkProgress) -> Void = { _ in }
  ) throws(DatasetError) -> SampleCatalog {
    let places = ServicePlaces(of: configuration)
    var catalogs: [SampleCatalog] = []
    let sources = configuration.dataset.sources
    for (number, source) in sources.enumerated() {
      catalogs.append(
        try catalog(source, tableFile: BytePath(places.shardTablesPath(of: source))) { news in
          var news = news
          if sources.count > 1 { news.activity += ", source \(number + 1) of \(sources.count)" }
          progress(news)
        })
    }
    return catalogs.count == 1 ? catalogs[0] : SampleCatalog(joining: catalogs)
  }

  private static func catalog(
    _ source: DatasetSource, tableFile: BytePath, progress: (WorkProgress) -> Void
  ) throws(DatasetError) -> SampleCatalog {
    let path = BytePath(source.path)
    let manifest = source.manifest.isEmpty ? nil : BytePath(source.manifest)
    switch source.layout {
    case .shards:
      return try SampleCatalog.shards(
        at: path, excluding: source.exclude, labelField: source.labelField, manifest: manifest,
        tableFile: tableFile, progress: progress)
    case .list:
      return try SampleCatalog.list(at: path)
    case .imageFolder, .flat:
      if let manifest { return try SampleCatalog.folder(at: path, manifest: manifest) }
      guard source.layout == .imageFolder else {
        return try SampleCatalog.flatFolder(at: path, excluding: source.exclude, progress: progress)
      }
      return try SampleCatalog.imageFolder(at: path, excluding: source.exclude, progress: progress)
    }
  }

  /// Which of these samples make up which batch of one rank.
  ///
  /// - Throws: `DatasetError.tooFewSamples` or `DatasetError.epochTooLong`.
  package static func schedule(
    _ configuration: ServiceConfiguration, of catalog: SampleCatalog, rank: Int
  ) throws(DatasetError) -> StreamSchedule {
    try StreamSchedule(
      sources: zip(catalog.sourceCounts, configuration.dataset.sources).map { ($0, $1.weight) },
      seed: configuration.stream.seed, batchSize: configuration.batch.size,
      worldSize: configuration.batch.worldSize,
      rank: rank, lastBatch: configuration.batch.lastBatch)
  }
}
