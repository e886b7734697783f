import Basics
import Glibc
import Memory

/// A text file with one path per line, and optionally a tab and a label.
///
/// A label is a whole number from 0, or -1 for none; it follows the last tab of the line, so a path that contains tabs needs one. Empty
/// lines are skipped. Where the file contains a NUL byte, as `find -print0` writes it, entries end with NUL instead of a newline and may
/// hold newlines.
struct ListFile {
  /// The paths as they are written.
  private(set) var paths = PathTable()
  /// Their labels; -1 where a line has none.
  private(set) var labels: [Int64] = []

  /// Reads the list at `path`.
  ///
  /// - Throws: `DatasetError` where it cannot be read, is empty, or has a line that is neither.
  init(at path: BytePath) throws(DatasetError) {
    var memory = GrowingMemory<UInt8>()
    defer { withExtendedLifetime(memory) {} }
    let content: UnsafeRawBufferPointer
    do {
      content = try FileBytes.read(path, limit: .max, into: &memory)
    } catch .vanished {
      throw .notFound(path)
    } catch .empty {
      throw .noImages(path)
    } catch .unreadable(let errno) {
      throw .unreadable(path, errno: errno)
    } catch {
      throw .unreadable(path, errno: FileBytes.errnoForUnsuitableFile)
    }
    try read(content.bindMemory(to: UInt8.self), of: path)
    guard paths.count > 0 else { throw .noImages(path) }
  }

  /// Takes the contents of a list apart. It works on plain memory because lists of millions of lines are usual.
  private mutating func read(_ content: UnsafeBufferPointer<UInt8>, of list: BytePath) throws(DatasetError) {
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
      } else if paths.count == 0, let separator = Self.foreignSeparator(in: entry, of: list) {
        throw .badLine(list, line: line, .separator(separator))
      }
      paths.append(UnsafeBufferPointer(rebasing: path))
      labels.append(label)
    }
  }
}

extension ListFile {
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
