import Basics
import Glibc
import ImageFormats

/// Why a data set cannot be used at all.
package enum DatasetError: Error, Equatable, Sendable {
  /// There is nothing at this path.
  case notFound(BytePath)
  /// What is at this path is not a directory.
  case notADirectory(BytePath)
  /// The directory or list at this path cannot be read; `errno` says why.
  case unreadable(BytePath, errno: Int32)
  /// The folder holds no class directories, but `images` images directly in it.
  case noClasses(BytePath, images: Int)
  /// These class directories hold no images.
  case emptyClasses(BytePath, [BytePath])
  /// No file below this folder has the name of an image, or the list is empty.
  case noImages(BytePath)
  /// A line of a list does not say a path and an optional label; lines count from 1.
  case badLine(BytePath, line: Int, BadLine)
  /// A path names no shards.
  case noShards(BytePath)
  /// A text that names shards has braces that mean nothing.
  case badBraces(BytePath, BraceFault)
  /// A list of shards has labels.
  case labelledShards(BytePath)
  /// A path names one shard more than once.
  case shardTwice(BytePath, BytePath)
  /// A file is no tar archive.
  case notAShard(BytePath)
  /// A tar archive is compressed as a whole, by the program of this name.
  case compressedShard(BytePath, by: String)
  /// A shard ends inside of a member.
  case truncatedShard(BytePath, member: BytePath, missing: Int)
  /// A shard is damaged from this byte on.
  case damagedShard(BytePath, at: Int)
  /// A shard was written to while its headers were read.
  case shardChanged(BytePath)
  /// A shard has two members of this name.
  case memberTwice(BytePath, BytePath)
  /// A member of a shard that should hold a label holds something else.
  case badLabel(BytePath, BytePath, String)
  /// No description in the shards has the field that should hold the label.
  case noLabelField(BytePath, String)
  /// An epoch in which the last, incomplete batch is dropped would have no batch at all.
  case tooFewSamples(count: Int, globalBatchSize: Int)
  /// With the weight of this source, counted from 0, an epoch would have more samples than can be counted.
  case epochTooLong(source: Int)

  /// What is wrong with braces.
  package typealias BraceFault = BraceNotation.Fault

  /// What is wrong with a line of a list.
  package enum BadLine: Equatable, Sendable {
    /// There is nothing before the tab.
    case emptyPath
    /// What follows the last tab is not a whole number of at least -1.
    case label(BytePath)
    /// It names no picture in a shard.
    case noShard(BytePath)
    /// Between the path and its label stands this and not a tab.
    case separator(Character)
  }
}

extension DatasetError: CustomStringConvertible {
  /// One sentence on what is wrong, and one on what to do.
  package var description: String {
    switch self {
    case .notFound(let path):
      "There is no \(path). Check the data set's path."
    case .notADirectory(let path):
      "\(path) is not a directory. Name a folder, or use the layout 'list' for a text file of paths."
    case .unreadable(let path, let errno):
      "\(path) cannot be read: \(String(cString: strerror(errno))). "
        + "Check that the service's user may read it, or leave it out with dataset.exclude."
    case .noClasses(let path, images: 0):
      "\(path) holds no class directories. The layout 'image-folder' expects one directory per class."
    case .noClasses(let path, let images):
      "\(path) holds \(images) images but no class directories. Use the layout 'flat' for images without labels."
    case .emptyClasses(let path, let classes):
      "\(path) holds \(classes.count) class directories without images (\(Self.names(of: classes))), which would shift labels. "
        + "Put images there, remove them, or leave them out with dataset.exclude."
    case .noImages(let path):
      "No image was found in \(path). Looked for names ending in \(ImageFileName.extensions.joined(separator: ", "))."
    case .badLine(let path, let line, .emptyPath):
      "\(path), line \(line): there is no path before the tab."
    case .badLine(let path, let line, .label(let text)):
      "\(path), line \(line): '\(text)' is not a label. "
        + "After the tab comes a whole number from 0, or -1 for a sample without a label."
    case .badLine(let path, let line, .noShard(let entry)):
      "\(path), line \(line): \(entry) names no picture in a shard. Write shard.tar/picture.jpg, as 'sasslctl dataset --freeze' does."
    case .badLine(let path, let line, .separator(let separator)):
      "\(path), line \(line): \(separator == "," ? "a comma" : "a blank") stands before the label. Write a tab there."
    case .noShards(let path):
      "No shard was found in \(path). Looked for names ending in .tar; dataset.exclude may leave out too much."
    case .badBraces(let path, let fault):
      "\(path) names no shards: \(fault). Write a range, train-{000000..000146}.tar, or a list, {train,val}.tar."
    case .labelledShards(let path):
      "\(path) has labels behind the paths of shards. Labels of pictures in shards are in the shards."
    case .shardTwice(let path, let shard):
      "\(path) names the shard \(shard) twice. Name it once."
    case .notAShard(let path):
      "\(path) is no tar archive. Repair or remove it, or leave it out with dataset.exclude."
    case .compressedShard(let path, let program):
      "\(path) is compressed (\(program)), so that its pictures cannot be read one by one. "
        + "Decompress it (gunzip, zstd -d, ...): pictures are compressed by themselves."
    case .truncatedShard(let path, let member, let missing):
      "\(path) ends inside of \(member): \(missing) bytes are missing. Fetch it again, or leave it out with dataset.exclude."
    case .damagedShard(let path, let offset):
      "\(path) is damaged from byte \(offset) on. Fetch it again, or leave it out with dataset.exclude."
    case .shardChanged(let path):
      "\(path) was written to while it was read. Wait until it is whole."
    case .memberTwice(let path, let member):
      "\(path) holds \(member) twice. Pack it anew with each name once."
    case .badLabel(let path, let member, let text):
      "\(path): \(member) holds '\(text)' and no label. A label is a whole number from 0, or -1 for none."
    case .noLabelField(let path, let field):
      "No .json of a picture in \(path) has a field '\(field)' with a label. Correct dataset.label_field."
    case .tooFewSamples(let count, let globalBatchSize):
      "\(count) samples do not fill one batch of \(globalBatchSize) (batch size x world size). "
        + "Use smaller batches, or the last-batch policy 'wrap'."
    case .epochTooLong(let source):
      "dataset.source[\(source)].weight is so much larger than that of the first source that an epoch would have more "
        + "than \(StreamSchedule.longestEpoch) samples. Bring the two closer together."
    }
  }

  private static func names(of classes: [BytePath]) -> String {
    classes.prefix(3).map(\.description).joined(separator: ", ") + (classes.count > 3 ? ", ..." : "")
  }
}
