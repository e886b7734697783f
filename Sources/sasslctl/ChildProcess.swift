import Basics
import Commands
import Glibc

/// Another program that this one runs and waits for.
enum ChildProcess {
  /// Runs a program, which is looked for on `PATH`, with the arguments after its name, and returns its exit code; 128 and its
  /// number for a signal that ended it.
  ///
  /// - Throws: `CommandFailure` where it cannot be started.
  static func exitCode(of words: [String]) throws(CommandFailure) -> Int32 {
    var pointers: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
    defer { for pointer in pointers { free(pointer) } }
    var process: pid_t = 0
    let refusal = posix_spawnp(&process, words[0], nil, nil, &pointers, environ)
    guard refusal == 0 else {
      throw CommandFailure(
        .unavailable,
        "cannot run '\(words[0])': \(String(cString: strerror(refusal))); name a Python interpreter in SASSL_PYTHON")
    }
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0 && errno == EINTR {}
    let signal = status & 0x7F
    return signal == 0 ? status >> 8 & 0xFF : 128 + signal
  }
}
