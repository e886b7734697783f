import Basics
import Glibc

/// A regular file that is open for reading, of which nothing else is promised; closed when it is no longer used.
struct RegularFile: ~Copyable {
  /// What the kernel knows it by.
  let descriptor: Int32
  /// What it was like when it was opened.
  let status: stat

  /// Opens the file at `path`; never waits for a FIFO or a device.
  ///
  /// - Throws: `SampleError` where there is none, it cannot be opened, or it is something else.
  init(_ path: BytePath) throws(SampleError) {
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
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      let code = errno
      close(descriptor)
      throw .unreadable(errno: code)
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      throw .notARegularFile
    }
    self.descriptor = descriptor
    self.status = status
  }

  deinit { close(descriptor) }

  /// Reads up to `count` bytes from `offset` on.
  ///
  /// - Returns: how many there were; fewer than `count` only where the file ends before.
  /// - Throws: `SampleError.unreadable`.
  func read(
    _ count: Int, at offset: Int, into bytes: UnsafeMutablePointer<UInt8>
  ) throws(SampleError) -> Int {
    var done = 0
    while done < count {
      let result = pread(descriptor, bytes + done, count - done, offset + done)
      if result > 0 {
        done += result
      } else if result == 0 {
        break
      } else if errno != EINTR {
        throw .unreadable(errno: errno)
      }
    }
    return done
  }
}
