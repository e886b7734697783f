import CSQLite
import FoundationEssentials
import Glibc

/// An open SQLite database; used by one thread at a time.
package final class DatabaseConnection {
  /// How a database file is opened.
  package enum Mode {
    /// For reading and writing; the file is created where it is missing.
    case readWrite
    /// For reading; other processes may be writing.
    case readOnly
    /// For reading a file that nobody can be writing: needs no lock and no file beside it.
    case immutable
  }

  /// The database file.
  package let path: String
  private let handle: OpaquePointer
  /// Prepared statements by their text; there are few, and each is used again and again.
  private var statements: [String: OpaquePointer] = [:]

  /// What SQLite adds to the database's name for the files that it keeps, the database itself first.
  static let fileSuffixes = ["", "-wal", "-shm"]

  /// Opens the database file at `path`.
  package init(path: String, mode: Mode) throws(DatabaseError) {
    self.path = path
    for suffix in Self.fileSuffixes { try Self.refuseUnsuitable(path + suffix) }
    var opened: OpaquePointer?
    let flags =
      switch mode {
      case .readWrite: SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
      case .readOnly: SQLITE_OPEN_READONLY
      case .immutable: SQLITE_OPEN_READONLY | SQLITE_OPEN_URI
      }
    let name = mode == .immutable ? "file:\(Self.percentEncoded(path))?immutable=1" : path
    let code = sqlite3_open_v2(name, &opened, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nil)
    guard code == SQLITE_OK, let opened else {
      let message = opened.map { String(cString: sqlite3_errmsg($0)) } ?? "out of memory"
      sqlite3_close_v2(opened)
      throw DatabaseError(resultCode: .init(rawValue: code), message: message, path: path)
    }
    handle = opened
    // Someone else's lock is worth a moment; whoever needs longer is retried later.
    sqlite3_busy_timeout(handle, 100)
  }

  /// Refuses what opening could wait for without end: a FIFO, a device. SQLite itself looks at nothing but the name.
  private static func refuseUnsuitable(_ path: String) throws(DatabaseError) {
    var status = stat()
    guard stat(path, &status) == 0 else { return }
    let kind: String
    switch status.st_mode & S_IFMT {
    case S_IFREG: return
    case S_IFDIR: kind = "a directory"
    case S_IFIFO: kind = "a FIFO"
    case S_IFSOCK: kind = "a socket"
    default: kind = "a device"
    }
    throw DatabaseError(
      resultCode: .cannotOpen, message: "\(kind) is where the index should be; remove it", path: path)
  }

  deinit {
    for statement in statements.values { sqlite3_finalize(statement) }
    sqlite3_close_v2(handle)
  }

  /// Runs statements that take no arguments and give no rows.
  package func execute(_ sql: String) throws(DatabaseError) {
    let code = sqlite3_exec(handle, sql, nil, nil, nil)
    guard code == SQLITE_OK else { throw error(code, sql) }
  }

  /// Runs one statement.
  package func run(_ sql: String, _ arguments: [DatabaseValue] = []) throws(DatabaseError) {
    _ = try rows(sql, arguments)
  }

  /// Runs one statement and returns its rows.
  package func rows(_ sql: String, _ arguments: [DatabaseValue] = []) throws(DatabaseError) -> [[DatabaseValue]] {
    let statement = try prepared(sql)
    defer {
      sqlite3_reset(statement)
      sqlite3_clear_bindings(statement)
    }
    for (index, argument) in arguments.enumerated() {
      let code = Self.bind(argument, to: statement, at: Int32(index + 1))
      guard code == SQLITE_OK else { throw error(code, sql) }
    }
    var rows: [[DatabaseValue]] = []
    while true {
      switch sqlite3_step(statement) {
      case SQLITE_ROW: rows.append((0..<sqlite3_column_count(statement)).map { Self.value(of: statement, at: $0) })
      case SQLITE_DONE: return rows
      case let code: throw error(code, sql)
      }
    }
  }

  /// Runs `body` in a transaction that is rolled back where `body` throws.
  package func transaction(_ body: () throws(DatabaseError) -> Void) throws(DatabaseError) {
    try execute("BEGIN IMMEDIATE")
    do {
      try body()
      try execute("COMMIT")
    } catch {
      // After some errors SQLite has rolled back already, and says so.
      sqlite3_exec(handle, "ROLLBACK", nil, nil, nil)
      throw error
    }
  }

  /// Reads the whole file and throws where it is damaged.
  package func checkForDamage() throws(DatabaseError) {
    // What is in the cache says nothing about the file.
    sqlite3_db_release_memory(handle)
    guard case .text(let result)? = try rows("PRAGMA quick_check(1)").first?.first, result != "ok" else { return }
    throw DatabaseError(resultCode: .corrupt, message: result, path: path)
  }

  private func prepared(_ sql: String) throws(DatabaseError) -> OpaquePointer {
    if let statement = statements[sql] { return statement }
    var statement: OpaquePointer?
    let code = sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil)
    guard code == SQLITE_OK, let statement else { throw error(code, sql) }
    statements[sql] = statement
    return statement
  }

  private func error(_ code: Int32, _ sql: String) -> DatabaseError {
    DatabaseError(
      resultCode: .init(rawValue: code), message: String(cString: sqlite3_errmsg(handle)), path: path, statement: sql)
  }

  private static func bind(_ value: DatabaseValue, to statement: OpaquePointer, at index: Int32) -> Int32 {
    // SQLite copies what it is given with this destructor before the call returns.
    let copy = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
    switch value {
    case .null: return sqlite3_bind_null(statement, index)
    case .integer(let integer): return sqlite3_bind_int64(statement, index, integer)
    case .real(let real): return sqlite3_bind_double(statement, index, real)
    case .text(let text): return sqlite3_bind_text(statement, index, text, -1, copy)
    // A null pointer would bind NULL; an empty array may have one.
    case .blob(let bytes) where bytes.isEmpty: return sqlite3_bind_zeroblob(statement, index, 0)
    case .blob(let bytes): return sqlite3_bind_blob(statement, index, bytes, Int32(bytes.count), copy)
    }
  }

  private static func value(of statement: OpaquePointer, at column: Int32) -> DatabaseValue {
    switch sqlite3_column_type(statement, column) {
    case SQLITE_INTEGER: return .integer(sqlite3_column_int64(statement, column))
    case SQLITE_FLOAT: return .real(sqlite3_column_double(statement, column))
    case SQLITE_TEXT: return .text(String(cString: sqlite3_column_text(statement, column)))
    case SQLITE_BLOB:
      let count = Int(sqlite3_column_bytes(statement, column))
      guard let start = sqlite3_column_blob(statement, column) else { return .blob([]) }
      return .blob(Array(UnsafeRawBufferPointer(start: start, count: count)))
    default: return .null
    }
  }

  /// The path with the characters that mean something in a URI written as %HH.
  private static func percentEncoded(_ path: String) -> String {
    var text = ""
    for byte in path.utf8 {
      switch byte {
      case UInt8(ascii: "%"), UInt8(ascii: "?"), UInt8(ascii: "#"), 0x80...:
        text += "%" + String(byte, radix: 16, uppercase: true)
      default: text.unicodeScalars.append(Unicode.Scalar(byte))
      }
    }
    return text
  }
}
