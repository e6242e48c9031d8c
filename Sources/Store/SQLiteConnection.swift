import Domain
import GRDB
import GRDBSQLite

/// What reader and transaction share: one open connection inside a transaction, and every read.
protocol SQLiteReading: StoreReader {
    var database: Database { get }
    var sealer: Sealer { get }
    func prepared(_ sql: String) throws -> Statement
    /// Writes what has been put off.
    func settle() throws(StoreError)
}

struct SQLiteReader: SQLiteReading {
    let database: Database
    let sealer: Sealer

    func prepared(_ sql: String) throws -> Statement { try database.cachedStatement(sql: sql) }
    func settle() {}
}

struct SQLiteTransaction: SQLiteReading, StoreTransaction {
    let database: Database
    let sealer: Sealer
    let statements: StatementShelf
    let volumeNumbers = VolumeNumbers()
    let freeAddresses = FreeAddresses()

    func prepared(_ sql: String) throws -> Statement { try statements.statement(sql, database) }
    func settle() throws(StoreError) { try settleAddresses() }

    func savepoint<Value>(_ body: () throws -> Value) throws -> Value {
        // What was put off before is not to be undone.
        try settle()
        try execute("SAVEPOINT cordon")
        let value: Value
        do {
            value = try body()
            try settle()
        } catch {
            // Names nest: the innermost is meant. Where SQLite has undone the whole transaction already, there is no
            // savepoint to go back to, and every later statement fails with that reason.
            if database.isInsideTransaction {
                volumeNumbers.forget()
                freeAddresses.forget()
                try execute("ROLLBACK TO cordon")
                try execute("RELEASE cordon")
            }
            throw error
        }
        try execute("RELEASE cordon")
        return value
    }
}

/// The writer's prepared statements. GRDB keeps them by their texts too, but goes through the whole of a text to find one, which
/// is a thirtieth of a batch's transaction: lengths of texts tell nearly all of them apart.
///
/// Not checked for `Sendable`, since neither are statements: it is used on the writer's connection alone, on its queue.
final class StatementShelf: @unchecked Sendable {
    private var statements: [Text: Statement] = [:]

    private struct Text: Hashable {
        let sql: String
        func hash(into hasher: inout Hasher) { hasher.combine(sql.utf8.count) }
    }

    /// Texts that are put together as they are needed would fill it without an end.
    private static let capacity = 512

    func statement(_ sql: String, _ database: Database) throws -> Statement {
        let text = Text(sql: sql)
        if let known = statements[text] { return known }
        let made = try database.cachedStatement(sql: sql)
        if statements.count >= Self.capacity { statements.removeAll(keepingCapacity: true) }
        statements[text] = made
        return made
    }

    /// A connection with statements cannot be closed.
    func clear() { statements = [:] }
}

extension SQLiteReading {
    /// Runs a statement, kept prepared by its text, and hands over each of its rows.
    ///
    /// GRDB keeps the statements and owns the transaction; binding, stepping and reading go to SQLite directly, because
    /// GRDB's rows and arguments cost more than SQLite itself does on the path of an admission (docs/decisions/0007).
    /// Every statement is stepped to its end, also when one row is wanted: the foreign keys of a statement with a
    /// RETURNING clause are checked there.
    func run(
        _ sql: String, _ arguments: [SQLValue] = [],
        refusal: (ConstraintViolation) -> StoreError? = { _ in nil },
        _ body: (Columns) throws(StoreError) -> Void
    ) throws(StoreError) {
        let prepared: Statement
        do { prepared = try self.prepared(sql) } catch { throw StoreError(sqlite: error) }
        let statement = prepared.sqliteStatement
        guard let connection = database.sqliteConnection else { throw .unavailable("the database is closed") }
        // Before anything that may fail, so that no statement stays open between transactions.
        defer {
            sqlite3_reset(statement)
            withExtendedLifetime(prepared) {}
        }
        for (index, argument) in arguments.enumerated() { argument.bind(to: statement, at: Int32(index + 1)) }
        while true {
            switch sqlite3_step(statement) {
            case SQLITE_ROW: try body(Columns(statement: statement))
            case SQLITE_DONE: return
            case let code:
                throw StoreError(
                    sqliteCode: code, extended: sqlite3_extended_errcode(connection),
                    message: String(cString: sqlite3_errmsg(connection)), refusal: refusal)
            }
        }
    }

    func rows<Value>(
        _ sql: String, _ arguments: [SQLValue] = [],
        refusal: (ConstraintViolation) -> StoreError? = { _ in nil },
        _ decode: (Columns) throws(StoreError) -> Value
    ) throws(StoreError) -> [Value] {
        var values: [Value] = []
        try run(sql, arguments, refusal: refusal) { columns throws(StoreError) in values.append(try decode(columns)) }
        return values
    }

    /// The same for a statement that gives one row at most; of several, the last counts.
    func row<Value>(
        _ sql: String, _ arguments: [SQLValue] = [],
        refusal: (ConstraintViolation) -> StoreError? = { _ in nil },
        _ decode: (Columns) throws(StoreError) -> Value
    ) throws(StoreError) -> Value? {
        var value: Value?
        try run(sql, arguments, refusal: refusal) { columns throws(StoreError) in value = try decode(columns) }
        return value
    }

    func exists(_ sql: String, _ arguments: [SQLValue]) throws(StoreError) -> Bool {
        try row(sql, arguments) { _ in true } ?? false
    }
}

extension SQLiteTransaction {
    /// Runs a statement that gives no rows.
    /// - Returns: how many rows it inserted, changed or deleted itself, without those of triggers.
    @discardableResult
    func execute(
        _ sql: String, _ arguments: [SQLValue] = [],
        refusal: (ConstraintViolation) -> StoreError? = { _ in nil }
    ) throws(StoreError) -> Int {
        try run(sql, arguments, refusal: refusal) { _ in }
        return database.changesCount
    }

    /// The same for an insert.
    /// - Returns: the number of the new row.
    func insert(
        _ sql: String, _ arguments: [SQLValue],
        refusal: (ConstraintViolation) -> StoreError? = { _ in nil }
    ) throws(StoreError) -> Int64 {
        try execute(sql, arguments, refusal: refusal)
        return database.lastInsertedRowID
    }

    /// The number that the next row of a table with AUTOINCREMENT is to have. A secret is sealed for its row's number, which
    /// SQLite would give only after the insert.
    func nextRow(of table: String) throws(StoreError) -> Int64 {
        try row("SELECT max(seq) + 1 FROM sqlite_sequence WHERE name = ?", [table.sql]) { $0.optionalInteger(0) ?? 1 }
            ?? 1
    }

    /// Changes one row that must be there.
    func change(
        _ sql: String, _ arguments: [SQLValue], missing: String,
        refusal: (ConstraintViolation) -> StoreError? = { _ in nil }
    ) throws(StoreError) {
        guard try execute(sql, arguments, refusal: refusal) > 0 else { throw .notFound(missing) }
    }
}
