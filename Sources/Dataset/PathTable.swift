import Basics
import Glibc

/// Many paths in little memory: all bytes in one block, each path ended by a NUL, and one offset for every sixteen paths.
///
/// Fourteen million paths of thirty bytes take 440 MB.
struct PathTable: Sendable {
  private(set) var count = 0
  private var bytes: [UInt8] = []
  /// Where the paths number 0, 16, 32, ... start.
  private var anchors: [Int] = []

  private static let pathsPerAnchor = 16

  /// Adds the path `directory`/`name`, or `name` alone where the directory is empty.
  mutating func append(_ name: UnsafeBufferPointer<UInt8>, in directory: [UInt8] = []) {
    if count % Self.pathsPerAnchor == 0 {
      anchors.append(bytes.count)
    }
    if !directory.isEmpty {
      bytes.append(contentsOf: directory)
      bytes.append(UInt8(ascii: "/"))
    }
    bytes.append(contentsOf: name)
    bytes.append(0)
    count += 1
  }

  /// Calls `body` with the path number `index` and nothing after it.
  func withPath<Result>(_ index: Int, _ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
    precondition((0..<count).contains(index), "there is no path number \(index)")
    return bytes.withUnsafeBufferPointer { buffer in
      var start = buffer.baseAddress! + anchors[index / Self.pathsPerAnchor]
      var length = strlen(start)
      for _ in 0..<index % Self.pathsPerAnchor {
        start += length + 1
        length = strlen(start)
      }
      return body(UnsafeBufferPointer(start: start, count: length))
    }
  }

  /// Calls `body` with every path in order.
  func visitAll(_ body: (UnsafeBufferPointer<UInt8>) -> Void) {
    bytes.withUnsafeBufferPointer { buffer in
      guard var start = buffer.baseAddress else { return }
      for _ in 0..<count {
        let length = strlen(start)
        body(UnsafeBufferPointer(start: start, count: length))
        start += length + 1
      }
    }
  }

  /// The deepest directory that all absolute paths lie in; `nil` where there are none, or where it is the file system's root.
  var commonDirectoryOfAbsolutePaths: BytePath? {
    let slash = UInt8(ascii: "/")
    var common: [UInt8]?
    visitAll { path in
      guard path.first == slash else { return }
      if let former = common {
        let shared = zip(former, path).prefix { $0 == $1 }.count
        if shared < former.count { common = Array(former[..<shared]) }
      } else {
        common = Array(path)
      }
    }
    guard let common, let last = common.lastIndex(of: slash), last > 0 else { return nil }
    return BytePath(common[..<last])
  }

  /// The numbers of the paths, ordered by their bytes.
  func sortedIndices() -> [Int] {
    sortedIndices { strcmp($0.baseAddress!, $1.baseAddress!) < 0 }
  }

  /// The numbers of the paths, ordered by their directories' bytes and then by the bytes of the files' names, as files in folders are;
  /// equal paths in the order that they have here.
  func sortedIndicesByDirectory() -> [Int] {
    sortedIndices(by: Self.precedesByDirectory)
  }

  /// Whether a path comes before another in that order. Behind each there is a NUL.
  private static func precedesByDirectory(
    _ left: UnsafeBufferPointer<UInt8>, _ right: UnsafeBufferPointer<UInt8>
  ) -> Bool {
    let leftSlash = left.lastIndex(of: UInt8(ascii: "/")) ?? -1
    let rightSlash = right.lastIndex(of: UInt8(ascii: "/")) ?? -1
    let byDirectory = memcmp(
      left.baseAddress!, right.baseAddress!, max(0, min(leftSlash, rightSlash)))
    if byDirectory != 0 { return byDirectory < 0 }
    if leftSlash != rightSlash { return leftSlash < rightSlash }
    return strcmp(left.baseAddress! + leftSlash + 1, right.baseAddress! + rightSlash + 1) < 0
  }

  /// The number of `path` in a table that is ordered by directory; nil where it is not there.
  ///
  /// - Parameter guess: where it is looked for first.
  func indexByDirectory(of path: BytePath, guess: Int) -> Int? {
    if guess < count, withPath(guess, { $0.elementsEqual(path.bytes) }) { return guess }
    return (path.bytes + [0]).withUnsafeBufferPointer { ended in
      let wanted = UnsafeBufferPointer(rebasing: ended.dropLast())
      var low = 0
      var high = count
      while low < high {
        let middle = (low + high) / 2
        if withPath(middle, { Self.precedesByDirectory($0, wanted) }) {
          low = middle + 1
        } else {
          high = middle
        }
      }
      return low < count && withPath(low, { $0.elementsEqual(wanted) }) ? low : nil
    }
  }

  /// Sorts by a comparison of paths, each of which has a NUL behind it.
  private func sortedIndices(
    by precedes: (UnsafeBufferPointer<UInt8>, UnsafeBufferPointer<UInt8>) -> Bool
  ) -> [Int] {
    bytes.withUnsafeBufferPointer { buffer in
      var paths: [(path: UnsafeBufferPointer<UInt8>, index: Int)] = []
      paths.reserveCapacity(count)
      var offset = 0
      for index in 0..<count {
        let start = buffer.baseAddress! + offset
        let length = strlen(start)
        paths.append((UnsafeBufferPointer(start: start, count: length), index))
        offset += length + 1
      }
      // Equal paths stay in their order: the library's sort is stable, though that is not promised.
      paths.sort { left, right in
        precedes(left.path, right.path) || (!precedes(right.path, left.path) && left.index < right.index)
      }
      return paths.map(\.index)
    }
  }

  /// The same paths in another order, which has the number of each.
  func reordered(_ order: [Int]) -> PathTable {
    var table = PathTable()
    for index in order { withPath(index) { table.append($0) } }
    return table
  }
}

/// `strcmp` and `strlen` take `char`, whose sign differs between machines; bytes are compared as unsigned anyway.
private func strlen(_ string: UnsafePointer<UInt8>) -> Int {
  string.withMemoryRebound(to: CChar.self, capacity: 1) { Int(Glibc.strlen($0)) }
}

private func strcmp(_ left: UnsafePointer<UInt8>, _ right: UnsafePointer<UInt8>) -> Int32 {
  left.withMemoryRebound(to: CChar.self, capacity: 1) { left in
    right.withMemoryRebound(to: CChar.self, capacity: 1) { right in Glibc.strcmp(left, right) }
  }
}
