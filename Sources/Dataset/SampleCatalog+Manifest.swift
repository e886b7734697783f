import Basics
import FoundationEssentials
import Glibc

extension SampleCatalog {
  /// The pictures of a folder that a manifest names, in its order and with its labels. The folder is not searched; what is gone shows when
  /// it is read.
  ///
  /// - Throws: `DatasetError` where the manifest cannot be read.
  package static func folder(at root: BytePath, manifest: BytePath) throws(DatasetError)
    -> SampleCatalog
  {
    let list = try ListFile(at: manifest)
    let isLabelled = list.labels.contains { $0 != -1 }
    return try SampleCatalog(
      root: root, classes: [], paths: list.paths, labels: isLabelled ? .each(list.labels) : .none)
  }

  /// A manifest of those samples that `isTaken` takes: a list of their relative paths and labels, in their order.
  package func manifest(of isTaken: (Int) -> Bool) -> Data {
    let newline = UInt8(ascii: "\n")
    let samples = (0..<count).filter(isTaken)
    let paths = samples.map { relativePath(of: $0) }
    // As `find -print0` writes it, where a name has a newline in it.
    let end = paths.contains { $0.bytes.contains(newline) } ? 0 : newline
    var text = Data()
    for (sample, path) in zip(samples, paths) {
      text.append(contentsOf: path.bytes)
      text.append(contentsOf: "\t\(label(of: sample))".utf8)
      text.append(end)
    }
    return text
  }
}
