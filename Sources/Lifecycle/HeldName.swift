import Glibc

/// The right to answer for a stream's name in a runtime directory: a lock that the kernel takes back when the process ends.
///
/// The ring's own lock can only be taken once the dataset is read, which may take minutes; and before, the control socket of a
/// daemon that runs must not be replaced.
final class HeldName: Sendable {
  private let descriptor: Int32

  /// Takes the lock on the file at `path`, which is made where it is missing, and stays.
  ///
  /// - Throws: `HeldNameError`.
  init(_ name: String, lockedBy path: String) throws(HeldNameError) {
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o600)
    guard descriptor >= 0 else {
      throw .cannotMake(path: path, reason: String(cString: strerror(errno)))
    }
    var lock = Self.whole
    if fcntl(descriptor, F_SETLK, &lock) == 0 { return }
    let code = errno
    defer { close(descriptor) }
    guard code == EACCES || code == EAGAIN else {
      throw .cannotLock(path: path, reason: String(cString: strerror(code)))
    }
    lock = Self.whole
    let isTold = fcntl(descriptor, F_GETLK, &lock) == 0 && lock.l_pid > 0
    throw .taken(name, byProcess: isTold ? lock.l_pid : nil)
  }

  deinit { close(descriptor) }

  /// A lock on every byte that there is or will be.
  private static var whole: flock {
    var lock = flock()
    lock.l_type = Int16(F_WRLCK)
    lock.l_whence = Int16(SEEK_SET)
    return lock
  }
}
