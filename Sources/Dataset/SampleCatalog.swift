import Basics
import Glibc
import LongWork
import Memory

/// Every sample of a data set: where its bytes are, and its label.
///
/// Samples are numbered from 0 in an order that depends on nothing but their paths. For example:
///
/// ```swift
/// let catalog = try SampleCatalog.imageFolder(at: "/data/imagenet/train")
/// let jpeg = try catalog.bytes(of: 0, limit: 64 << 20)
/// print(catalog.count, catalog.classes.count, catalog.label(of: 0))
/// ```
package struct SampleCatalog: Sendable {
  /// The folder that relative paths start at.
  package let root: BytePath
  /// The class names in the order of their labels; empty where the layout names none.
  package let classes: [BytePath]
  /// A hash of all relative paths and labels in order: another catalog has the same one only if it holds the same.
  package let fingerprint: Fingerprint
  /// What was found beside the samples and is none.
  package let leftOut: LeftOut

  /// The samples' names: paths relative to the root or absolute, or those of members of shards.
  private let paths: PathTable
  private let labels: Labels
  /// Where the bytes are, where that is not the file of a sample's name.
  private let shards: ShardSamples?
  /// The sources, where there are several, and the number of the first sample of each; everything else is theirs then.
  private let parts: [(first: Int, catalog: SampleCatalog)]
  /// The folders that hold all samples: the root, and the one that absolute paths of a list have in common.
  private let folders: [FolderPresence]

  /// The labels, stored as compactly as the layout allows.
  enum Labels: Sendable {
    case none
    /// Samples are ordered by class; the samples of class c start at the c-th number.
    case classStarts([Int])
    case each([Int64])
  }

  /// How many samples there are; at least 1.
  package let count: Int
  /// How many of them each source has, in their order.
  package let sourceCounts: [Int]

  /// The sample's label, or -1 where it has none.
  package func label(of sample: Int) -> Int64 {
    precondition((0..<count).contains(sample), "there is no sample number \(sample)")
    if let (catalog, sample) = part(of: sample) { return catalog.label(of: sample) }
    return labels[sample]
  }

  /// The sample's path, relative to `root` or absolute, as the layout gave it. That of a sample in a shard is the shard's with the
  /// sample's name in there behind it, as if the shard were a folder. That of a sample of several sources is absolute, or as the source's
  /// path is.
  package func relativePath(of sample: Int) -> BytePath {
    if let (catalog, sample) = part(of: sample) { return catalog.path(of: sample) }
    return shards?.path(of: sample) ?? paths.withPath(sample) { BytePath($0) }
  }

  /// The sample's path as it can be opened, or as if a shard could be opened like a folder.
  package func path(of sample: Int) -> BytePath {
    if let (catalog, sample) = part(of: sample) { return catalog.path(of: sample) }
    return root.appending(relativePath(of: sample))
  }

  /// The samples of several sources, one source after the other.
  package init(joining catalogs: [SampleCatalog]) {
    var parts: [(first: Int, catalog: SampleCatalog)] = []
    var leftOut = LeftOut()
    var count = 0
    for catalog in catalogs {
      parts.append((count, catalog))
      leftOut.add(catalog.leftOut)
      count += catalog.count
    }
    self.count = count
    self.leftOut = leftOut
    self.parts = parts
    sourceCounts = catalogs.map(\.count)
    fingerprint = Fingerprint { digest in
      for catalog in catalogs {
        digest.append(Int64(catalog.count))
        digest.append(Int64(bitPattern: catalog.fingerprint.rawValue))
      }
    }
    root = ""
    classes = []
    paths = PathTable()
    labels = .none
    shards = nil
    folders = []
  }

  /// The source of a sample, and its number in there; nil where there is one source.
  private func part(of sample: Int) -> (catalog: SampleCatalog, sample: Int)? {
    parts.last { $0.first <= sample }.map { ($0.catalog, sample - $0.first) }
  }

  init(
    root: BytePath, classes: [BytePath], paths: PathTable, labels: Labels,
    leftOut: LeftOut = LeftOut()
  ) throws(DatasetError) {
    try self.init(
      root: root, classes: classes, paths: paths, labels: labels, leftOut: leftOut, shards: nil, files: paths)
  }

  /// The samples of shards, which lie in `files`.
  init(shards: ShardSamples, root: BytePath, files: [BytePath]) throws(DatasetError) {
    var paths = PathTable()
    for file in files { file.bytes.withUnsafeBufferPointer { paths.append($0) } }
    try self.init(
      root: root, classes: [], paths: shards.names, labels: shards.labels.map { .each($0) } ?? .none,
      leftOut: shards.leftOut, shards: shards, files: paths)
  }

  private init(
    root: BytePath, classes: [BytePath], paths: PathTable, labels: Labels, leftOut: LeftOut, shards: ShardSamples?,
    files: PathTable
  ) throws(DatasetError) {
    guard paths.count > 0 else { throw .noImages(root) }
    count = paths.count
    sourceCounts = [paths.count]
    parts = []
    self.leftOut = leftOut
    self.root = root
    self.classes = classes
    self.paths = paths
    self.labels = labels
    self.shards = shards
    folders = ([root] + (files.commonDirectoryOfAbsolutePaths.map { [$0] } ?? [])).map(FolderPresence.init)
    fingerprint = Fingerprint { digest in
      var sample = 0
      paths.visitAll { path in
        // The NUL that cannot be part of a path ends it.
        digest.append(bytes: path)
        digest.append(bytes: CollectionOfOne(0))
        digest.append(labels[sample])
        sample += 1
      }
    }
  }
}

extension SampleCatalog.Labels {
  fileprivate subscript(sample: Int) -> Int64 {
    switch self {
    case .none: return -1
    case .each(let labels): return labels[sample]
    case .classStarts(let starts):
      // The last class that starts at or before the sample.
      var low = 0
      var high = starts.count
      while high - low > 1 {
        let middle = (low + high) / 2
        if starts[middle] <= sample { low = middle } else { high = middle }
      }
      return Int64(low)
    }
  }
}

// MARK: - Layouts

extension SampleCatalog {
  /// A folder with one directory per class, as torchvision's `ImageFolder` reads it.
  ///
  /// Classes are the directories of the folder in the order of their bytes, and their labels count from 0. Its samples are the images in
  /// it and below it (`.jpg`, `.jpeg`, `.png`, `.ppm`, `.bmp`, `.pgm`, `.tif`, `.tiff`, `.webp`, in upper or lower case). A class
  /// without images is an error, as there. Other than there, hidden folders, folders of the system such as `lost+found` and
  /// macOS's `._` files are left out wherever they are.
  ///
  /// - Parameters:
  ///   - patterns: shell patterns of what else is left out, by name or by path relative to the folder; `*` matches slashes too.
  ///   - progress: told now and then how many classes and images were found so far.
  /// - Throws: `DatasetError` where the folder or anything below it cannot be read, there are no classes, or a class or all have no images.
  package static func imageFolder(
    at root: BytePath, excluding patterns: [String] = [], progress: (WorkProgress) -> Void = { _ in }
  ) throws(DatasetError) -> SampleCatalog {
    var selection = EntrySelection(excluding: patterns)
    let listing = try DirectoryWalk.list("", in: root, selection: &selection)
    let classes = (listing.directories + listing.links).sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
    guard !classes.isEmpty else { throw .noClasses(root, images: listing.files.count) }

    var paths = PathTable()
    var starts: [Int] = []
    var empty: [BytePath] = []
    func tell(_ samples: Int) { progress(.reading(starts.count - 1, of: classes.count, "folders", samples: samples)) }
    for name in classes {
      starts.append(paths.count)
      tell(paths.count)
      // A class may link to another class, but a link back to the whole data set belongs to none.
      var walk = DirectoryWalk(root: root, excluding: [listing.identity])
      try walk.appendFiles(below: name, selection: &selection, to: &paths, progress: tell)
      if paths.count == starts.last { empty.append(name) }
    }
    progress(.reading(classes.count, of: classes.count, "folders", samples: paths.count))
    guard paths.count == 0 || empty.isEmpty else { throw .emptyClasses(root, empty) }
    return try SampleCatalog(
      root: root, classes: classes, paths: paths, labels: .classStarts(starts), leftOut: selection.leftOut)
  }

  /// The images in a folder and below it, without labels. What is left out is the same as in an image folder.
  ///
  /// - Parameters:
  ///   - patterns: shell patterns of what else is left out, by name or by path relative to the folder.
  ///   - progress: told now and then how many images were found so far.
  /// - Throws: `DatasetError` where the folder or anything below it cannot be read, or there are no images.
  package static func flatFolder(
    at root: BytePath, excluding patterns: [String] = [], progress: (WorkProgress) -> Void = { _ in }
  ) throws(DatasetError) -> SampleCatalog {
    var paths = PathTable()
    var selection = EntrySelection(excluding: patterns)
    var walk = DirectoryWalk(root: root)
    try walk.appendFiles(below: "", selection: &selection, to: &paths) { progress(.reading(samples: $0)) }
    return try SampleCatalog(root: root, classes: [], paths: paths, labels: .none, leftOut: selection.leftOut)
  }

  /// A text file with one sample per line: a path, and optionally a tab and a label.
  ///
  /// Relative paths start at the list's folder. A label is a whole number from 0, or -1 for none; it follows the last tab
  /// of the line, so a path that contains tabs needs one. Empty lines are skipped. Where the file contains a NUL byte, as
  /// `find -print0` writes it, entries end with NUL instead of a newline and may hold newlines. Whether the files exist
  /// shows when they are read. A sample may be listed more than once.
  ///
  /// - Throws: `DatasetError` where the list cannot be read, is empty, or has a line that is neither.
  package static func list(at list: BytePath) throws(DatasetError) -> SampleCatalog {
    let content = try ListFile(at: list)
    let labelled = content.labels.contains { $0 != -1 }
    return try SampleCatalog(
      root: list.directory, classes: [], paths: content.paths, labels: labelled ? .each(content.labels) : .none)
  }
}

// MARK: - Bytes

extension SampleCatalog {
  /// The bytes of the sample's file.
  ///
  /// It never blocks on a FIFO or a device, and never reads more than `limit` bytes.
  ///
  /// - Throws: `SampleError`; see its `isTransient` for what speaks against the file and what does not.
  package func bytes(of sample: Int, limit: Int) throws(SampleError) -> [UInt8] {
    var memory = GrowingMemory<UInt8>()
    defer { withExtendedLifetime(memory) {} }
    return Array(try read(sample, limit: limit, into: &memory))
  }

  /// Reads the sample's file as `bytes(of:limit:)` does, into memory that is kept from file to file.
  ///
  /// - Returns: the bytes, valid as long as `memory` is and is not used for anything else.
  /// - Throws: `SampleError`, also where memory is refused or the whole data set is away.
  package func read(
    _ sample: Int, limit: Int, into memory: inout GrowingMemory<UInt8>
  ) throws(SampleError) -> UnsafeRawBufferPointer {
    if let (catalog, sample) = part(of: sample) {
      return try catalog.read(sample, limit: limit, into: &memory)
    }
    do {
      return try readOnce(sample, limit: limit, into: &memory)
    } catch .vanished {
      // Looked at before and after a second try: a folder that came back in between would make its file look deleted.
      if isAway { throw .datasetAway }
      do {
        return try readOnce(sample, limit: limit, into: &memory)
      } catch .vanished {
        throw isAway ? .datasetAway : .vanished
      }
    }
  }

  /// All samples in the order in which they are best read one after the other: those in shards as they lie there.
  package var storageOrder: [Int] {
    if !parts.isEmpty {
      return parts.flatMap { part in part.catalog.storageOrder.map { $0 + part.first } }
    }
    return shards?.storageOrder ?? Array(0..<count)
  }

  private func readOnce(
    _ sample: Int, limit: Int, into memory: inout GrowingMemory<UInt8>
  ) throws(SampleError) -> UnsafeRawBufferPointer {
    if let shards { return try shards.read(sample, limit: limit, into: &memory) }
    return try FileBytes.read(path(of: sample), limit: limit, into: &memory)
  }

  /// Whether a folder that holds samples is away.
  private var isAway: Bool { folders.contains { $0.isAway } }
}
