/// Which file names are taken for tar shards.
enum ShardFileName {
  /// Endings of archives; those that are compressed are found too, so that they are refused by name and not left out without a word.
  static let extensions = [".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst", ".tar.lz4"]

  private static let patterns = extensions.map { Array($0.utf8) }

  /// Whether a file name ends in one of them.
  static func matches(_ name: some BidirectionalCollection<UInt8>) -> Bool {
    patterns.contains { name.count > $0.count && name.suffix($0.count).elementsEqual($0) }
  }
}
