import CSQLite

/// What SQLite, or the index on top of it, could not do.
///
/// Catch some errors by their result code:
///
/// ```swift
/// do {
///   let reader = try BatchIndexReader(path: "/var/lib/sassl/index.sqlite")
/// } catch let error where error.resultCode.primary == .cannotOpen {
///   // No service has run here yet.
/// }
/// ```
package struct DatabaseError: Error, Equatable, Sendable {
  /// A result code of SQLite; codes that have no name here survive too.
  package struct ResultCode: RawRepresentable, Hashable, Sendable {
    /// SQLite's number, with the extension in the upper bits.
    package let rawValue: Int32

    /// The result code with SQLite's number.
    package init(rawValue: Int32) {
      self.rawValue = rawValue
    }

    /// The code without its extension.
    package var primary: ResultCode { ResultCode(rawValue: rawValue & 0xFF) }

    /// An error in the statement: the schema is not what was expected.
    package static let error = ResultCode(rawValue: SQLITE_ERROR)
    /// Access denied by the system.
    package static let permission = ResultCode(rawValue: SQLITE_PERM)
    /// Another process holds a lock that is needed.
    package static let busy = ResultCode(rawValue: SQLITE_BUSY)
    /// Memory is exhausted.
    package static let outOfMemory = ResultCode(rawValue: SQLITE_NOMEM)
    /// The file or its directory cannot be written.
    package static let readOnly = ResultCode(rawValue: SQLITE_READONLY)
    /// The system failed to read or write.
    package static let inputOutput = ResultCode(rawValue: SQLITE_IOERR)
    /// The file's contents are damaged.
    package static let corrupt = ResultCode(rawValue: SQLITE_CORRUPT)
    /// The disk is full.
    package static let full = ResultCode(rawValue: SQLITE_FULL)
    /// The file cannot be opened.
    package static let cannotOpen = ResultCode(rawValue: SQLITE_CANTOPEN)
    /// The file is no database, or not one of this program.
    package static let notADatabase = ResultCode(rawValue: SQLITE_NOTADB)
    /// The database has a schema of another version of this program.
    package static let schemaVersion = ResultCode(rawValue: SQLITE_MISMATCH)
  }

  /// SQLite's code for what happened.
  package let resultCode: ResultCode
  /// What happened, in SQLite's words.
  package let message: String
  /// The database file.
  package let path: String
  /// The statement that failed, where it was one.
  package let statement: String?

  /// An error of the database at `path`.
  package init(resultCode: ResultCode, message: String, path: String, statement: String? = nil) {
    self.resultCode = resultCode
    self.message = message
    self.path = path
    self.statement = statement
  }
}

extension DatabaseError: CustomStringConvertible {
  /// One line: the file, what happened and what to do about it.
  package var description: String {
    let advice =
      switch resultCode.primary {
      case .full: " Free some space on that file system."
      case .permission, .readOnly, .cannotOpen: " Check that the directory exists and that this user may access it."
      case .busy: " Another process holds a lock on it."
      case .corrupt: " The index can be deleted; the service makes a new one."
      default: ""
      }
    return "\(path): \(message) (SQLite result code \(resultCode.rawValue)).\(advice)"
  }
}
