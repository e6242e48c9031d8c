import Domain
import GRDB

/// What reader and transaction share: one open connection inside a transaction, and every read.
protocol SQLiteReading: StoreReader {
    var database: Database { get }
    var sealer: Sealer { get }
}

struct SQLiteReader: SQLiteReading {
    let database: Database
    let sealer: Sealer
}

struct SQLiteTransaction: SQLiteReading, StoreTransaction {
    let database: Database
    let sealer: Sealer

    func savepoint<Value>(_ body: () throws -> Value) throws -> Value {
        try execute("SAVEPOINT cordon")
        let value: Value
        do {
            value = try body()
        } catch {
            // Names nest: the innermost is meant. Where SQLite has undone the whole transaction already, there is no
            // savepoint to go back to, and every later statement fails with that reason.
            if database.isInsideTransaction {
                try execute("ROLLBACK TO cordon")
                try execute("RELEASE cordon")
            }
            throw error
        }
        try execute("RELEASE cordon")
        return value
    }
}

extension SQLiteReading {
    /// Runs a statement, kept prepared by its text, and decodes its rows.
    ///
    /// Every statement is stepped to its end, also when one row is wanted: the foreign keys of a statement with a
    /// RETURNING clause are checked there.
    func rows<Value>(
        _ sql: String, _ arguments: [DatabaseValue] = [],
        refusal: (ConstraintViolation) -> StoreError? = { _ in nil },
        _ decode: (Columns) throws(StoreError) -> Value
    ) throws(StoreError) -> [Value] {
        var values: [Value] = []
        do {
            let statement = try database.cachedStatement(sql: sql)
            statement.setUncheckedArguments(StatementArguments(arguments))
            let cursor = try Row.fetchCursor(statement)
            while let row = try cursor.next() { values.append(try decode(Columns(row: row))) }
        } catch {
            throw StoreError(sqlite: error, refusal: refusal)
        }
        return values
    }

    /// The same for a statement that gives one row at most; of several, the last counts.
    func row<Value>(
        _ sql: String, _ arguments: [DatabaseValue] = [],
        refusal: (ConstraintViolation) -> StoreError? = { _ in nil },
        _ decode: (Columns) throws(StoreError) -> Value
    ) throws(StoreError) -> Value? {
        var value: Value?
        do {
            let statement = try database.cachedStatement(sql: sql)
            statement.setUncheckedArguments(StatementArguments(arguments))
            let cursor = try Row.fetchCursor(statement)
            while let row = try cursor.next() { value = try decode(Columns(row: row)) }
        } catch {
            throw StoreError(sqlite: error, refusal: refusal)
        }
        return value
    }

    func exists(_ sql: String, _ arguments: [DatabaseValue]) throws(StoreError) -> Bool {
        try row(sql, arguments) { _ in true } ?? false
    }
}

extension SQLiteTransaction {
    /// Runs a statement that gives no rows.
    /// - Returns: how many rows it inserted, changed or deleted itself, without those of triggers.
    @discardableResult
    func execute(
        _ sql: String, _ arguments: [DatabaseValue] = [],
        refusal: (ConstraintViolation) -> StoreError? = { _ in nil }
    ) throws(StoreError) -> Int {
        do {
            let statement = try database.cachedStatement(sql: sql)
            statement.setUncheckedArguments(StatementArguments(arguments))
            try statement.execute()
        } catch {
            throw StoreError(sqlite: error, refusal: refusal)
        }
        return database.changesCount
    }

    /// The same for an insert.
    /// - Returns: the number of the new row.
    func insert(
        _ sql: String, _ arguments: [DatabaseValue],
        refusal: (ConstraintViolation) -> StoreError? = { _ in nil }
    ) throws(StoreError) -> Int64 {
        try execute(sql, arguments, refusal: refusal)
        return database.lastInsertedRowID
    }

    /// The same for a change of one row that must be there.
    func change(
        _ sql: String, _ arguments: [DatabaseValue], missing: String,
        refusal: (ConstraintViolation) -> StoreError? = { _ in nil }
    ) throws(StoreError) {
        guard try execute(sql, arguments, refusal: refusal) > 0 else { throw .notFound(missing) }
    }
}
