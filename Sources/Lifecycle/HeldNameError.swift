/// Why a daemon may not answer for a stream's name.
package enum HeldNameError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The file that carries the lock cannot be made.
  case cannotMake(path: String, reason: String)
  /// The system gives no lock on it.
  case cannotLock(path: String, reason: String)
  /// Another process has the name; which one may not be visible from here.
  case taken(String, byProcess: Int32?)

  package var description: String {
    switch self {
    case .cannotMake(let path, let reason): return "cannot make \(path): \(reason); check state.runtime_directory"
    case .cannotLock(let path, let reason): return "cannot lock \(path): \(reason)"
    case .taken(let name, let process):
      let holder = process.map { "process \($0)" } ?? "a process that cannot be seen from here (is it in a container?)"
      return "the stream '\(name)' is already served by \(holder): stop that one or choose another stream.name"
    }
  }
}
