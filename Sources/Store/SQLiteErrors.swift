import GRDB

/// A constraint of the schema that refused a change.
struct ConstraintViolation {
    /// SQLite's own words, with the columns (`sims.imsi`) or the trigger's text; never a value.
    let message: String
    let isForeignKey: Bool

    func concerns(_ column: String) -> Bool { message.contains(column) }
}

extension StoreError {
    /// Anything that GRDB throws, as what the caller may see. SQLite's messages name tables and columns, never values,
    /// so no secret passes through here.
    init(sqlite error: any Error) {
        if let error = error as? StoreError {
            self = error
            return
        }
        guard let error = error as? DatabaseError else {
            self = .unavailable("the change was given up before it was finished: try again (\(type(of: error)))")
            return
        }
        self.init(
            sqliteCode: error.resultCode.rawValue, extended: error.extendedResultCode.rawValue,
            message: error.message ?? "no message")
    }

    /// - Parameters:
    ///   - code: SQLite's primary result code, or an extended one.
    ///   - words: SQLite's message.
    init(
        sqliteCode code: Int32, extended: Int32, message words: String,
        refusal: (ConstraintViolation) -> StoreError? = { _ in nil }
    ) {
        switch ResultCode(rawValue: code & 0xff) {
        case .SQLITE_CONSTRAINT:
            let violation = ConstraintViolation(
                message: words,
                isForeignKey: ResultCode(rawValue: extended) == .SQLITE_CONSTRAINT_FOREIGNKEY)
            self = refusal(violation) ?? .conflict("the change contradicts what is stored (\(words))")
        case .SQLITE_FULL:
            self = .unavailable("the disk of the database is full: free some space, then try again")
        case .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_AUTH:
            self = .unavailable("the database cannot be written: make its file and directory writable for cordond")
        case .SQLITE_CANTOPEN:
            self = .unavailable("the database cannot be opened: check its path and who may read and write it")
        case .SQLITE_BUSY, .SQLITE_LOCKED:
            self = .unavailable("the database is locked by another process: stop the other one, then try again")
        case .SQLITE_IOERR:
            self = .unavailable("the disk of the database failed to read or write: check the disk and its cables")
        case .SQLITE_CORRUPT, .SQLITE_NOTADB:
            self = .damaged(words)
        case .SQLITE_MISUSE:
            self = .unavailable("the database is closed: start cordond again")
        case .SQLITE_ABORT, .SQLITE_INTERRUPT:
            self = .unavailable("the transaction was undone because of an earlier failure: try again")
        default:
            self = .unavailable("the database gave up: \(words) (SQLite error \(extended))")
        }
    }

    static func conflict(_ message: String) -> Self { Self(code: .conflict, message: message) }
    static func notFound(_ message: String) -> Self { Self(code: .notFound, message: message) }
    static func unavailable(_ message: String) -> Self { Self(code: .unavailable, message: message) }
    static func damaged(_ what: String) -> Self {
        .unavailable("the database file is damaged (\(what)): stop cordond and restore the last backup")
    }
}
