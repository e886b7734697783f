import Basics
import Glibc
import Memory

/// Reads whole files whose contents nobody promised anything about.
package enum FileBytes {
  /// What opening something that is no regular file is reported as where only an error number fits.
  static let errnoForUnsuitableFile = EINVAL

  /// The bytes of the regular file at `path`, of which there are at least 1 and at most `limit`.
  package static func read(_ path: BytePath, limit: Int) throws(SampleError) -> [UInt8] {
    var memory = GrowingMemory<UInt8>()
    defer { withExtendedLifetime(memory) {} }
    return Array(try read(path, limit: limit, into: &memory))
  }

  /// Reads the regular file at `path`, of at least 1 and at most `limit` bytes; what is returned is valid as long as `memory` is and is not
  /// used for anything else.
  package static func read(
    _ path: BytePath, limit: Int, into memory: inout GrowingMemory<UInt8>
  ) throws(SampleError) -> UnsafeRawBufferPointer {
    let file = try RegularFile(path)
    let size = Int(file.status.st_size)
    guard size > 0 else { throw .empty }
    guard size <= min(limit, .max - 1) else { throw .tooLarge(bytes: size, limit: limit) }
    let bytes: UnsafeMutablePointer<UInt8>
    do throws(MemoryRefused) {
      // One byte more than the file should have tells a file that grew.
      bytes = try memory.reserve(size + 1)
    } catch {
      throw .unreadable(errno: ENOMEM)
    }
    let count = try file.read(size + 1, at: 0, into: bytes)
    guard count == size else { throw .changedWhileReading(bytesExpected: size) }
    return UnsafeRawBufferPointer(start: bytes, count: size)
  }
}
