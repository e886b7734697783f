/// The tables of the index. Times are microseconds since 1970 (`_us`), like durations.
enum Schema {
  /// Changes with every change to the tables; a database of another version is thrown away, never converted.
  static let version: Int64 = 4
  /// "SASL" in ASCII: tells the index from any other SQLite database.
  static let applicationID: Int64 = 0x5341_534C

  static let tables = """
    CREATE TABLE instance (
      id INTEGER PRIMARY KEY,
      identifier TEXT NOT NULL UNIQUE,
      process_id INTEGER NOT NULL,
      started_at_us INTEGER NOT NULL,
      stopped_at_us INTEGER,
      configuration_fingerprint INTEGER NOT NULL
    );
    CREATE TABLE fact (
      instance_id INTEGER NOT NULL REFERENCES instance ON DELETE CASCADE,
      name TEXT NOT NULL,
      value TEXT NOT NULL,
      PRIMARY KEY (instance_id, name)
    ) WITHOUT ROWID;
    -- Ascending ids: the order in which batches were made, which differs from their numbers after a seek.
    CREATE TABLE batch (
      id INTEGER PRIMARY KEY,
      number INTEGER NOT NULL,
      rank INTEGER NOT NULL,
      epoch INTEGER NOT NULL,
      step INTEGER NOT NULL,
      slot INTEGER NOT NULL,
      made_at_us INTEGER NOT NULL,
      consumed_at_us INTEGER,
      wait_us INTEGER NOT NULL,
      decode_us INTEGER NOT NULL,
      crop_us INTEGER NOT NULL,
      style_us INTEGER NOT NULL,
      augment_us INTEGER NOT NULL,
      write_us INTEGER NOT NULL,
      UNIQUE (number, rank)
    );
    CREATE INDEX batch_by_rank ON batch (rank, id);
    CREATE TABLE sample (
      batch_id INTEGER NOT NULL REFERENCES batch ON DELETE CASCADE,
      position INTEGER NOT NULL,
      sample_id INTEGER NOT NULL,
      replaced_sample_id INTEGER,
      PRIMARY KEY (batch_id, position)
    ) WITHOUT ROWID;
    -- One row for each view that may be stylized; the first view is view 0, as in the ring.
    CREATE TABLE style_draw (
      batch_id INTEGER NOT NULL REFERENCES batch ON DELETE CASCADE,
      position INTEGER NOT NULL,
      view INTEGER NOT NULL,
      style_id INTEGER NOT NULL,
      is_styled INTEGER NOT NULL,
      alpha REAL NOT NULL,
      beta REAL NOT NULL,
      PRIMARY KEY (batch_id, position, view)
    ) WITHOUT ROWID;
    -- One row for each column of what was drawn (ring.drawn), in their order. The numbers are those of one sample after the other, `length` for
    -- each (1 where NULL), as the ring holds them: lowest byte first, bool in one byte.
    CREATE TABLE drawn_column (
      batch_id INTEGER NOT NULL REFERENCES batch ON DELETE CASCADE,
      ordinal INTEGER NOT NULL,
      view INTEGER NOT NULL,
      name TEXT NOT NULL,
      type TEXT NOT NULL,
      length INTEGER,
      numbers BLOB NOT NULL,
      PRIMARY KEY (batch_id, ordinal)
    ) WITHOUT ROWID;
    CREATE TABLE quarantine (
      path BLOB PRIMARY KEY,
      sample_id INTEGER NOT NULL,
      reason TEXT NOT NULL,
      first_seen_us INTEGER NOT NULL,
      last_seen_us INTEGER NOT NULL,
      count INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE style (
      bank TEXT NOT NULL,
      number INTEGER NOT NULL,
      path BLOB NOT NULL,
      content_hash INTEGER NOT NULL,
      PRIMARY KEY (bank, number)
    ) WITHOUT ROWID;
    CREATE TABLE style_embedding (
      content_hash INTEGER NOT NULL,
      model_fingerprint INTEGER NOT NULL,
      -- 32-bit floats, lowest byte first.
      embedding BLOB NOT NULL,
      PRIMARY KEY (content_hash, model_fingerprint)
    ) WITHOUT ROWID;
    CREATE TABLE throughput (
      id INTEGER PRIMARY KEY,
      started_at_us INTEGER NOT NULL,
      rank INTEGER NOT NULL,
      duration_us INTEGER NOT NULL,
      images INTEGER NOT NULL,
      ring_full_us INTEGER NOT NULL,
      starved_us INTEGER NOT NULL
    );
    """

  /// What a database turns out to be.
  enum Content {
    /// Nothing has been written to it.
    case empty
    /// An index of this version.
    case index
    /// An index of another version.
    case indexOfVersion(Int64)
    /// Somebody else's database.
    case foreign
  }

  /// What the open database turns out to be.
  static func content(of database: DatabaseConnection) throws(DatabaseError) -> Content {
    let application = try database.integer("PRAGMA application_id")
    let version = try database.integer("PRAGMA user_version")
    if application == applicationID {
      return version == Schema.version ? .index : .indexOfVersion(version)
    }
    let objects = try database.integer("SELECT count(*) FROM sqlite_schema")
    return application == 0 && version == 0 && objects == 0 ? .empty : .foreign
  }

  /// Makes the tables in an empty database, inside an open transaction.
  static func create(in database: DatabaseConnection) throws(DatabaseError) {
    try database.execute(tables)
    try database.execute("PRAGMA application_id = \(applicationID); PRAGMA user_version = \(version)")
  }
}

extension DatabaseConnection {
  /// The integer that a statement gives.
  func integer(_ sql: String) throws(DatabaseError) -> Int64 {
    guard case .integer(let value)? = try rows(sql).first?.first else { return 0 }
    return value
  }
}
