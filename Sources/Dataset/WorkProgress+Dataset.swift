import LongWork

extension WorkProgress {
  /// The reading of a data set, which consists of `total` folders or shards; `samples` were found so far.
  static func reading(_ done: Int, of total: Int, _ unit: String, samples: Int) -> WorkProgress {
    WorkProgress(readingDataset, Count(done, of: total, unit), note: "\(samples) samples so far")
  }

  /// The reading of a data set of which nothing is known but how many samples were found so far.
  static func reading(samples: Int) -> WorkProgress {
    WorkProgress(readingDataset, Count(samples, of: nil, "samples"))
  }
}

/// What people are told while the samples of a data set are looked for.
private let readingDataset = "reading the dataset"
