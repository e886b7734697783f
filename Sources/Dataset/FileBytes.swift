import Glibc

/// Reads whole files whose contents nobody promised anything about.
package enum FileBytes {
  /// What opening something that is no regular file is reported as where only an error number fits.
  static let errnoForUnsuitableFile = EINVAL

  /// The bytes of the regular file at `path`, of which there are at least 1 and at most `limit`.
  package static func read(_ path: BytePath, limit: Int) throws(SampleError) -> [UInt8] {
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
    guard size <= limit else { throw .tooLarge(bytes: size, limit: limit) }

    // One byte more than the file should have tells a file that grew.
    var count = 0
    var failure: Int32 = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: size + 1) { buffer, initializedCount in
      while count <= size {
        let result = Glibc.read(descriptor, buffer.baseAddress! + count, size + 1 - count)
        if result > 0 {
          count += result
        } else if result == 0 {
          break
        } else if errno != EINTR {
          failure = errno
          break
        }
      }
      initializedCount = count
    }
    guard failure == 0 else { throw .unreadable(errno: failure) }
    guard count == size else { throw .changedWhileReading(bytesExpected: size) }
    return bytes
  }
}
