import CSQLiteSettings
public import Domain
import GRDB

/// The store in one SQLite file: WAL, every commit on the disk (synchronous FULL) before `write` returns, one writer
/// and several readers at a time. Only one process may have the file open to write.
public struct SQLiteStore: Store {
    private let pool: DatabasePool
    private let sealer: Sealer
    private let checkpointer: Checkpointer
    private let statements: StatementShelf

    /// Opens the file, made with mode 0600 when missing, and brings its tables up to date.
    ///
    /// - Parameter key: what ``SecretKeyFile`` gives; encrypts the secrets in the file.
    /// - Throws: ``StoreError`` `.unavailable` when the file cannot be opened, was written by a newer version, or
    ///   holds secrets under another key.
    public static func open(path: String, key: Secret) throws(StoreError) -> SQLiteStore {
        let sealer = try Sealer(key: key)
        let statements = StatementShelf()
        try StoreFiles.prepareDatabase(path)
        do {
            let pool = try DatabasePool(path: path, configuration: configuration())
            let migrator = SQLiteSchema.migrator
            // GRDB sets NORMAL when it turns WAL on; that may lose the last commits in a power cut.
            try pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = FULL") }
            guard try !pool.read(migrator.hasBeenSuperseded) else {
                throw StoreError.unavailable("the database was written by a newer version of Cordon: install that one")
            }
            try migrator.migrate(pool)
            try pool.write {
                try checkKey(SQLiteTransaction(database: $0, sealer: sealer, statements: statements))
            }
            try pool.writeWithoutTransaction {
                try $0.execute(sql: "PRAGMA wal_autocheckpoint = \(Checkpointer.writersShare)")
            }
            let checkpointer = try Checkpointer(path: path, configuration: configuration())
            return SQLiteStore(pool: pool, sealer: sealer, checkpointer: checkpointer, statements: statements)
        } catch {
            throw StoreError(sqlite: error)
        }
    }

    public func read<Value: Sendable>(
        _ body: @Sendable @escaping (any StoreReader) throws -> Value
    ) async throws -> Value {
        do {
            return try await pool.read { [sealer] in try body(SQLiteReader(database: $0, sealer: sealer)) }
        } catch let error as DatabaseError {
            throw StoreError(sqlite: error)
        }
    }

    public func queueWrite<Value: Sendable>(
        _ body: @Sendable @escaping (any StoreTransaction) throws -> Value,
        orElse other: (@Sendable (any StoreTransaction) throws -> Value)?,
        completion: @Sendable @escaping (Result<Value, any Error>) -> Void
    ) {
        pool.asyncWriteWithoutTransaction { [sealer, statements] database in
            let run = { (body: (any StoreTransaction) throws -> Value) -> Result<Value, any Error> in
                Result {
                    var value: Value?
                    try database.inTransaction {
                        let transaction = SQLiteTransaction(database: database, sealer: sealer, statements: statements)
                        value = try body(transaction)
                        try transaction.settle()
                        return .commit
                    }
                    guard let value else { throw StoreError.damaged("a transaction has ended without a result") }
                    return value
                }.mapError { error in (error as? DatabaseError).map(StoreError.init(sqlite:)) ?? error }
            }
            var result = run(body)
            if let other, case .failure(let error as StoreError) = result, error.code != .unavailable {
                result = run(other)
            }
            completion(result)
        }
    }

    public func close() async throws {
        do { try await checkpointer.close() } catch { throw StoreError(sqlite: error) }
        // The last connection to close is a reader, which cannot empty the WAL. What stays in it is not lost, only
        // read at the next start, so a failure here (closed already, or a reader at work) is none of the caller's.
        _ = try? await pool.writeWithoutTransaction { [statements] db in
            statements.clear()
            // SQLite does not look whether the connection is there.
            if db.sqliteConnection != nil { _ = try db.checkpoint(.truncate) }
        }
        do { try pool.close() } catch { throw StoreError(sqlite: error) }
    }

    /// Once for the process. When another user of SQLite was first, it stays as it is, and only costs.
    private static let settings: Void = { _ = cordon_sqlite_without_memory_statistics() }()

    private static func configuration() -> Configuration {
        settings
        var configuration = Configuration()
        configuration.foreignKeysEnabled = true
        configuration.busyMode = .timeout(5)
        configuration.label = "cordon.store"
        configuration.prepareDatabase { db in
            // A negative size is in KiB. The writer touches random pages of the indexes over IMSI, token and address.
            try db.execute(
                sql: """
                    PRAGMA cache_size = \(db.configuration.readonly ? -8_192 : -65_536);
                    PRAGMA temp_store = MEMORY;
                    PRAGMA trusted_schema = OFF;
                    """)
        }
        return configuration
    }

    /// Compares the key with the one the file was first opened with, before anything is sealed with another.
    private static func checkKey(_ transaction: SQLiteTransaction) throws(StoreError) {
        let row = "key-check"
        let known = Array("cordon".utf8)
        let decode = { (columns: Columns) throws(StoreError) in try columns.bytes(0) }
        guard let sealed = try transaction.row("SELECT sealed FROM key_check", [], decode) else {
            let sealed = try transaction.sealer.seal(known, row: row)
            try transaction.execute("INSERT INTO key_check (id, sealed) VALUES (1, ?)", [sealed.sql])
            return
        }
        guard transaction.sealer.open(sealed, row: row) == known else {
            throw .unavailable(
                "the key is not the one this database was made with: give the key file that belongs to it")
        }
    }
}
