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
  /// An epoch in which the last, incomplete batch is dropped would have no batch at all.
  case tooFewSamples(count: Int, globalBatchSize: Int)

  /// What is wrong with a line of a list.
  package enum BadLine: Equatable, Sendable {
    /// There is nothing before the tab.
    case emptyPath
    /// What follows the last tab is not a whole number of at least -1.
    case label(BytePath)
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
    case .badLine(let path, let line, .separator(let separator)):
      "\(path), line \(line): \(separator == "," ? "a comma" : "a blank") stands before the label. Write a tab there."
    case .tooFewSamples(let count, let globalBatchSize):
      "\(count) samples do not fill one batch of \(globalBatchSize) (batch size x world size). "
        + "Use smaller batches, or the last-batch policy 'wrap'."
    }
  }

  private static func names(of classes: [BytePath]) -> String {
    classes.prefix(3).map(\.description).joined(separator: ", ") + (classes.count > 3 ? ", ..." : "")
  }
}
