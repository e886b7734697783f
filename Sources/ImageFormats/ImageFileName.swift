/// Which file names are taken for images.
package enum ImageFileName {
  /// The endings of torchvision's `ImageFolder`, so that sample numbers agree with it.
  package static let extensions = ImageFormat.allCases.flatMap(\.listedExtensions)

  private static let patterns = extensions.map { Array($0.utf8) }

  /// Whether a file name ends in one of the extensions, in upper or lower case.
  package static func matches(_ name: UnsafeBufferPointer<UInt8>) -> Bool {
    patterns.contains { pattern in
      guard name.count >= pattern.count else { return false }
      let start = name.count - pattern.count
      return pattern.indices.allSatisfy { index in
        let byte = name[start + index]
        let lowercase = (0x41...0x5A).contains(byte) ? byte | 0x20 : byte
        return lowercase == pattern[index]
      }
    }
  }
}
