import Glibc

/// Threads that block for a living. Dispatch's pool has 64 or so for all its queues together, and whoever comes later waits for ever.
package enum NamedThread {
  /// Address space for the stack of one thread, in bytes: several times what decoding and style networks take.
  private static let stackBytes = 2 << 20

  /// Runs `body` on a new thread called `name`, of which the first 15 characters are shown by tools; false where the system has
  /// no thread left.
  package static func start(_ name: String, _ body: @escaping @Sendable () -> Void) -> Bool {
    let work = Unmanaged.passRetained(Work(name: name, body: body))
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    pthread_attr_setstacksize(&attributes, stackBytes)
    var thread = pthread_t()
    let code = pthread_create(
      &thread, &attributes,
      { pointer in
        let work = Unmanaged<Work>.fromOpaque(pointer!).takeRetainedValue()
        NamedThread.nameThisThread(work.name)
        work.body()
        return nil
      }, work.toOpaque())
    if code != 0 { work.release() }
    return code == 0
  }

  /// Names this thread, by the kernel's file for it: the function of the C library is hidden from Swift.
  fileprivate static func nameThisThread(_ name: String) {
    let descriptor = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    _ = write(descriptor, name, min(name.utf8.count, 15))
    close(descriptor)
  }

  /// What a thread takes along.
  private final class Work: Sendable {
    let name: String
    let body: @Sendable () -> Void

    init(name: String, body: @escaping @Sendable () -> Void) {
      self.name = name
      self.body = body
    }
  }
}
