/// The exit codes of `sassld` and `sasslctl`: those of `sysexits.h`, and for `sasslctl status` those that the Linux
/// Standard Base gives to the `status` action of a service.
package enum ExitCode: Int32, Sendable {
  /// All went well; for `status`: the daemon is running.
  case success = 0
  /// `doctor`: something keeps the service from working.
  case problems = 1
  /// `status`: the daemon is not running.
  case stopped = 3
  /// `status`: a daemon holds the name, but does not answer.
  case unknown = 4
  /// The command line is wrong (`EX_USAGE`).
  case usage = 64
  /// The input data is wrong, for example too many broken images (`EX_DATAERR`).
  case badData = 65
  /// An input file or directory is missing or cannot be read (`EX_NOINPUT`).
  case noInput = 66
  /// Something that the command needs is not there now: another instance holds the name, no daemon (`EX_UNAVAILABLE`).
  case unavailable = 69
  /// A fault of the program itself (`EX_SOFTWARE`).
  case software = 70
  /// The system lacks something: shared memory, descriptors, memory (`EX_OSERR`).
  case systemResource = 71
  /// An output file or directory cannot be made or written (`EX_CANTCREAT`).
  case cannotCreate = 73
  /// Reading or writing failed half-way (`EX_IOERR`).
  case inputOutput = 74
  /// The configuration is wrong (`EX_CONFIG`).
  case configuration = 78
}
