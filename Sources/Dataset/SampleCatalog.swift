import Basics
import Glibc
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
  /// A mark of all relative paths and labels in order: another catalog has the same one only if it holds the same.
  package let fingerprint: Fingerprint
  /// What was found beside the samples and is none.
  package let leftOut: LeftOut

  private let paths: PathTable
  private let labels: Labels
  /// The folders that hold all samples: the root, and the one that absolute paths of a list have in common.
  private let folders: [FolderPresence]

  /// The labels, stored as compactly as the layout allows.
  fileprivate enum Labels: Sendable {
    case none
    /// Samples are ordered by class; the samples of class c start at the c-th number.
    case classStarts([Int])
    case each([Int64])
  }

  /// How many samples there are; at least 1.
  package var count: Int { paths.count }

  /// The sample's label, or -1 where it has none.
  package func label(of sample: Int) -> Int64 {
    precondition((0..<count).contains(sample), "there is no sample number \(sample)")
    return labels[sample]
  }

  /// The sample's path, relative to `root` or absolute, as the layout gave it.
  package func relativePath(of sample: Int) -> BytePath {
    paths.withPath(sample) { BytePath($0) }
  }

  /// The sample's path as it can be opened.
  package func path(of sample: Int) -> BytePath {
    root.appending(relativePath(of: sample))
  }

  private init(
    root: BytePath, classes: [BytePath], paths: PathTable, labels: Labels, leftOut: LeftOut = LeftOut()
  ) throws(DatasetError) {
    guard paths.count > 0 else { throw .noImages(root) }
    self.leftOut = leftOut
    self.root = root
    self.classes = classes
    self.paths = paths
    self.labels = labels
    folders = ([root] + (paths.commonDirectoryOfAbsolutePaths.map { [$0] } ?? [])).map(FolderPresence.init)
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
  ///   - progress: called after each class with the number of images found so far.
  /// - Throws: `DatasetError` where the folder or anything below it cannot be read, there are no classes, or a class or all have no images.
  package static func imageFolder(
    at root: BytePath, excluding patterns: [String] = [], progress: (Int) -> Void = { _ in }
  ) throws(DatasetError) -> SampleCatalog {
    var selection = EntrySelection(excluding: patterns)
    let listing = try DirectoryWalk.list("", in: root, selection: &selection)
    let classes = (listing.directories + listing.links).sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
    guard !classes.isEmpty else { throw .noClasses(root, images: listing.images.count) }

    var paths = PathTable()
    var starts: [Int] = []
    var empty: [BytePath] = []
    for name in classes {
      starts.append(paths.count)
      // A class may link to another class, but a link back to the whole data set belongs to none.
      var walk = DirectoryWalk(root: root, excluding: [listing.identity])
      try walk.appendImages(below: name, selection: &selection, to: &paths)
      if paths.count == starts.last { empty.append(name) }
      progress(paths.count)
    }
    guard paths.count == 0 || empty.isEmpty else { throw .emptyClasses(root, empty) }
    return try SampleCatalog(
      root: root, classes: classes, paths: paths, labels: .classStarts(starts), leftOut: selection.leftOut)
  }

  /// The images in a folder and below it, without labels. What is left out is the same as in an image folder.
  ///
  /// - Parameter patterns: shell patterns of what else is left out, by name or by path relative to the folder.
  /// - Throws: `DatasetError` where the folder or anything below it cannot be read, or there are no images.
  package static func flatFolder(
    at root: BytePath, excluding patterns: [String] = []
  ) throws(DatasetError) -> SampleCatalog {
    var paths = PathTable()
    var selection = EntrySelection(excluding: patterns)
    var walk = DirectoryWalk(root: root)
    try walk.appendImages(below: "", selection: &selection, to: &paths)
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
    var memory = GrowingMemory<UInt8>()
    defer { withExtendedLifetime(memory) {} }
    let content: UnsafeRawBufferPointer
    do {
      content = try FileBytes.read(list, limit: .max, into: &memory)
    } catch .vanished {
      throw .notFound(list)
    } catch .empty {
      throw .noImages(list)
    } catch .unreadable(let errno) {
      throw .unreadable(list, errno: errno)
    } catch {
      throw .unreadable(list, errno: FileBytes.errnoForUnsuitableFile)
    }

    var paths = PathTable()
    var labels: [Int64] = []
    try read(content.bindMemory(to: UInt8.self), of: list, paths: &paths, labels: &labels)
    guard paths.count > 0 else { throw .noImages(list) }
    let labelled = labels.contains { $0 != -1 }
    return try SampleCatalog(root: list.directory, classes: [], paths: paths, labels: labelled ? .each(labels) : .none)
  }

  /// Takes the contents of a list apart. It works on plain memory because lists of millions of lines are usual.
  private static func read(
    _ content: UnsafeBufferPointer<UInt8>, of list: BytePath, paths: inout PathTable, labels: inout [Int64]
  ) throws(DatasetError) {
    let separator: UInt8 = content.contains(0) ? 0 : UInt8(ascii: "\n")
    let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]
    var start = content.starts(with: byteOrderMark) ? byteOrderMark.count : 0
    var line = 0
    while start < content.count {
      line += 1
      let next = content[start...].firstIndex(of: separator) ?? content.count
      var end = next
      if separator != 0, end > start, content[end - 1] == UInt8(ascii: "\r") { end -= 1 }
      let entry = content[start..<end]
      start = next + 1
      if entry.isEmpty { continue }

      var path = entry
      var label: Int64 = -1
      if let tab = entry.lastIndex(of: UInt8(ascii: "\t")) {
        let text = entry[(tab + 1)...]
        guard let number = Int64(String(decoding: text, as: UTF8.self)), number >= -1 else {
          throw .badLine(list, line: line, .label(BytePath(text)))
        }
        label = number
        path = entry[..<tab]
        if path.isEmpty { throw .badLine(list, line: line, .emptyPath) }
      } else if paths.count == 0, let separator = foreignSeparator(in: entry, of: list) {
        throw .badLine(list, line: line, .separator(separator))
      }
      paths.append(UnsafeBufferPointer(rebasing: path))
      labels.append(label)
    }
  }
}

extension SampleCatalog {
  /// What stands before the label of an entry in place of the tab, a blank or a comma; nil where there is no such thing. A file may be
  /// called so: only where there is none, and there is one without the label, it is a mistake.
  private static func foreignSeparator(in entry: Slice<UnsafeBufferPointer<UInt8>>, of list: BytePath) -> Character? {
    let digits = entry.reversed().prefix { (0x30...0x39).contains($0) }.count
    var path = entry.dropLast(digits)
    if path.last == UInt8(ascii: "-") { path = path.dropLast() }
    guard digits > 0, let separator = path.last, separator == UInt8(ascii: " ") || separator == UInt8(ascii: ",") else {
      return nil
    }
    path = path[..<(path.lastIndex { $0 != separator }.map { $0 + 1 } ?? path.startIndex)]
    func exists(_ name: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
      list.directory.appending(BytePath(name)).withCString { access($0, F_OK) } == 0
    }
    guard !path.isEmpty, !exists(entry), exists(path) else { return nil }
    return Character(Unicode.Scalar(separator))
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
    let path = path(of: sample)
    do {
      return try FileBytes.read(path, limit: limit, into: &memory)
    } catch .vanished {
      // Looked at before and after a second try: a folder that came back in between would make its file look deleted.
      if isAway { throw .datasetAway }
      do {
        return try FileBytes.read(path, limit: limit, into: &memory)
      } catch .vanished {
        throw isAway ? .datasetAway : .vanished
      }
    }
  }

  /// Whether a folder that holds samples is away.
  private var isAway: Bool { folders.contains { $0.isAway } }
}
