/// Why the service cannot keep its own files where the configuration says.
package enum PlaceError: Error, Sendable, Equatable, CustomStringConvertible {
  /// A link lies where a file should.
  case symbolicLink(path: String)
  /// The directory is not there and cannot be made.
  case cannotMake(directory: String, reason: String, key: String)
  /// Others could have the service write to files of theirs.
  case unsafe(directory: String, fault: String, key: String)
  /// The directory is there, but not for this user.
  case notWritable(directory: String, reason: String, key: String)
  /// The index cannot be opened for writing.
  case cannotOpenIndex(reason: String)

  package var description: String {
    switch self {
    case .symbolicLink(let path):
      "\(path) is a symbolic link, which is never followed: remove it, and see who put it there"
    case .cannotMake(let directory, let reason, let key):
      "cannot make the directory \(directory): \(reason); change \(key)"
    case .unsafe(let directory, let fault, let key):
      "the directory \(directory) \(fault): change \(key), or have it removed"
    case .notWritable(let directory, let reason, let key):
      "cannot write to the directory \(directory): \(reason); change \(key) or its owner"
    case .cannotOpenIndex(let reason): "cannot open the index: \(reason); change state.directory"
    }
  }
}
