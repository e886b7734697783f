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
public struct DatabaseError: Error, Equatable, Sendable {
  /// A result code of SQLite; codes that have no name here survive too.
  public struct ResultCode: RawRepresentable, Hashable, Sendable {
    /// SQLite's number, with the extension in the upper bits.
    public let rawValue: Int32

    /// The result code with SQLite's number.
    public init(rawValue: Int32) {
      self.rawValue = rawValue
    }

    /// The code without its extension.
    public var primary: ResultCode { ResultCode(rawValue: rawValue & 0xFF) }

    /// An error in the statement: the schema is not what was expected.
    public static let error = ResultCode(rawValue: SQLITE_ERROR)
    /// Access denied by the system.
    public static let permission = ResultCode(rawValue: SQLITE_PERM)
    /// Another process holds a lock that is needed.
    public static let busy = ResultCode(rawValue: SQLITE_BUSY)
    /// Memory is exhausted.
    public static let outOfMemory = ResultCode(rawValue: SQLITE_NOMEM)
    /// The file or its directory cannot be written.
    public static let readOnly = ResultCode(rawValue: SQLITE_READONLY)
    /// The system failed to read or write.
    public static let inputOutput = ResultCode(rawValue: SQLITE_IOERR)
    /// The file's contents are damaged.
    public static let corrupt = ResultCode(rawValue: SQLITE_CORRUPT)
    /// The disk is full.
    public static let full = ResultCode(rawValue: SQLITE_FULL)
    /// The file cannot be opened.
    public static let cannotOpen = ResultCode(rawValue: SQLITE_CANTOPEN)
    /// The file is no database, or not one of this program.
    public static let notADatabase = ResultCode(rawValue: SQLITE_NOTADB)
    /// The database has a schema of another version of this program.
    public static let schemaVersion = ResultCode(rawValue: SQLITE_MISMATCH)
  }

  /// SQLite's code for what happened.
  public let resultCode: ResultCode
  /// What happened, in SQLite's words.
  public let message: String
  /// The database file.
  public let path: String
  /// The statement that failed, where it was one.
  public let statement: String?

  /// An error of the database at `path`.
  public init(resultCode: ResultCode, message: String, path: String, statement: String? = nil) {
    self.resultCode = resultCode
    self.message = message
    self.path = path
    self.statement = statement
  }
}

extension DatabaseError: CustomStringConvertible {
  /// One line: the file, what happened and what to do about it.
  public var description: String {
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
