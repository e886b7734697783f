import Glibc

/// The right to answer for a stream's name in a runtime directory: a lock that the kernel takes back when the process ends.
///
/// The ring's own lock can only be taken once the dataset is read, which may take minutes; and before, the control socket of a
/// daemon that runs must not be replaced.
final class HeldName: Sendable {
  private let descriptor: Int32

  /// Takes the lock on the file at `path`, which is made where it is missing, and stays.
  ///
  /// - Throws: `CommandFailure` that names the process which has it.
  init(_ name: String, lockedBy path: String) throws(CommandFailure) {
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o600)
    guard descriptor >= 0 else {
      throw CommandFailure(
        .cannotCreate, "cannot make \(path): \(String(cString: strerror(errno))); check state.runtime_directory")
    }
    var lock = Self.whole
    if fcntl(descriptor, F_SETLK, &lock) == 0 { return }
    let code = errno
    defer { close(descriptor) }
    guard code == EACCES || code == EAGAIN else {
      throw CommandFailure(.systemResource, "cannot lock \(path): \(String(cString: strerror(code)))")
    }
    lock = Self.whole
    let isTold = fcntl(descriptor, F_GETLK, &lock) == 0 && lock.l_pid > 0
    let holder = isTold ? "process \(lock.l_pid)" : "a process that cannot be seen from here (is it in a container?)"
    throw CommandFailure(
      .unavailable, "the stream '\(name)' is already served by \(holder): stop that one or choose another stream.name")
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
