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
    // O_NONBLOCK: opening a FIFO that nobody writes to must not wait. It means nothing for regular files.
    var descriptor: Int32
    repeat {
      descriptor = path.withCString { open($0, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) }
    } while descriptor < 0 && errno == EINTR
    guard descriptor >= 0 else {
      switch errno {
      case ENOENT, ENOTDIR: throw .vanished
      case ENXIO: throw .notARegularFile  // a socket, or a device without a driver
      case let code: throw .unreadable(errno: code)
      }
    }
    defer { close(descriptor) }

    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .unreadable(errno: errno) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw .notARegularFile }
    let size = Int(status.st_size)
    guard size > 0 else { throw .empty }
    guard size <= min(limit, .max - 1) else { throw .tooLarge(bytes: size, limit: limit) }
    let bytes: UnsafeMutablePointer<UInt8>
    do throws(MemoryRefused) {
      // One byte more than the file should have tells a file that grew.
      bytes = try memory.reserve(size + 1)
    } catch {
      throw .unreadable(errno: ENOMEM)
    }
    var count = 0
    while count <= size {
      let result = Glibc.read(descriptor, bytes + count, size + 1 - count)
      if result > 0 {
        count += result
      } else if result == 0 {
        break
      } else if errno != EINTR {
        throw .unreadable(errno: errno)
      }
    }
    guard count == size else { throw .changedWhileReading(bytesExpected: size) }
    return UnsafeRawBufferPointer(start: bytes, count: size)
  }
}
