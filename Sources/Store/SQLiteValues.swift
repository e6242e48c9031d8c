import Domain
import GRDBSQLite

/// What SQLite keeps in one column.
enum SQLValue {
    case null
    case integer(Int64)
    case text(String)
    case blob([UInt8])
    /// Sixteen octets, highest first.
    case bits128(UInt128)

    /// SQLite copies what it is given before the call returns (SQLITE_TRANSIENT, which Swift does not see as a macro).
    private static let isCopied = unsafeBitCast(-1, to: sqlite3_destructor_type.self)

    /// Binding fails only for a place that the statement does not have, which is our bug.
    func bind(to statement: OpaquePointer, at place: Int32) {
        let code =
            switch self {
            case .null: sqlite3_bind_null(statement, place)
            case .integer(let integer): sqlite3_bind_int64(statement, place, integer)
            case .text(var text):
                text.withUTF8 { utf8 in
                    utf8.withMemoryRebound(to: CChar.self) {
                        sqlite3_bind_text(statement, place, $0.baseAddress, Int32($0.count), Self.isCopied)
                    }
                }
            case .blob(let bytes):
                bytes.isEmpty
                    // A null pointer would bind NULL.
                    ? sqlite3_bind_zeroblob(statement, place, 0)
                    : bytes.withUnsafeBytes {
                        sqlite3_bind_blob(statement, place, $0.baseAddress, Int32($0.count), Self.isCopied)
                    }
            case .bits128(let bits):
                withUnsafeBytes(of: bits.bigEndian) {
                    sqlite3_bind_blob(statement, place, $0.baseAddress, Int32($0.count), Self.isCopied)
                }
            }
        precondition(code == SQLITE_OK || code == SQLITE_NOMEM, "SQLite takes no argument at place \(place)")
    }
}

/// A value of the domain as SQLite keeps it.
protocol SQLConvertible {
    var sql: SQLValue { get }
}

extension Optional where Wrapped: SQLConvertible {
    var sql: SQLValue { self?.sql ?? .null }
}

extension Int64: SQLConvertible { var sql: SQLValue { .integer(self) } }
extension UInt8: SQLConvertible { var sql: SQLValue { .integer(Int64(self)) } }
extension UInt16: SQLConvertible { var sql: SQLValue { .integer(Int64(self)) } }
extension UInt32: SQLConvertible { var sql: SQLValue { .integer(Int64(self)) } }
extension Bool: SQLConvertible { var sql: SQLValue { .integer(self ? 1 : 0) } }
extension String: SQLConvertible { var sql: SQLValue { .text(self) } }
extension [UInt8]: SQLConvertible { var sql: SQLValue { .blob(self) } }

/// SQLite's integers are signed: the same 64 bits, so that no count is too large to keep.
extension UInt64: SQLConvertible { var sql: SQLValue { .integer(Int64(bitPattern: self)) } }

extension Identifier: SQLConvertible { var sql: SQLValue { rawValue.sql } }
extension Timestamp: SQLConvertible { var sql: SQLValue { milliseconds.sql } }
extension Name: SQLConvertible { var sql: SQLValue { description.sql } }
extension APN: SQLConvertible { var sql: SQLValue { description.sql } }
extension ICCID: SQLConvertible { var sql: SQLValue { description.sql } }
extension MSISDN: SQLConvertible { var sql: SQLValue { description.sql } }
extension IMEI: SQLConvertible { var sql: SQLValue { description.sql } }
extension PLMN: SQLConvertible { var sql: SQLValue { description.sql } }
extension IMSI: SQLConvertible { var sql: SQLValue { key.sql } }
extension IPv4Address: SQLConvertible { var sql: SQLValue { bits.sql } }
extension RATType: SQLConvertible { var sql: SQLValue { rawValue.sql } }
extension UserLocation: SQLConvertible { var sql: SQLValue { octets.sql } }
extension SessionToken: SQLConvertible { var sql: SQLValue { .bits128(bits) } }

/// The row a statement stands on. The tables are STRICT, so a value that cannot be decoded means a damaged file.
struct Columns {
    let statement: OpaquePointer

    func integer(_ index: Int) throws(StoreError) -> Int64 { try need(optionalInteger(index), index) }
    func text(_ index: Int) throws(StoreError) -> String { try need(optionalText(index), index) }
    func bytes(_ index: Int) throws(StoreError) -> [UInt8] { try need(optionalBytes(index), index) }

    func optionalInteger(_ index: Int) -> Int64? {
        isNull(index) ? nil : sqlite3_column_int64(statement, Int32(index))
    }
    func optionalText(_ index: Int) -> String? {
        // SQLite gives text that it holds as UTF-8; what is not valid in it is repaired.
        sqlite3_column_text(statement, Int32(index)).map { text in
            let count = Int(sqlite3_column_bytes(statement, Int32(index)))
            return String(decoding: UnsafeBufferPointer(start: text, count: count), as: UTF8.self)
        }
    }
    func optionalBytes(_ index: Int) -> [UInt8]? {
        guard !isNull(index) else { return nil }
        let bytes = sqlite3_column_blob(statement, Int32(index))
        return Array(UnsafeRawBufferPointer(start: bytes, count: Int(sqlite3_column_bytes(statement, Int32(index)))))
    }
    private func isNull(_ index: Int) -> Bool { sqlite3_column_type(statement, Int32(index)) == SQLITE_NULL }

    func id<Resource>(_ index: Int) throws(StoreError) -> Identifier<Resource> { Identifier(try integer(index)) }
    func optionalID<Resource>(_ index: Int) -> Identifier<Resource>? { optionalInteger(index).map(Identifier.init) }
    func flag(_ index: Int) throws(StoreError) -> Bool { try integer(index) != 0 }
    func count(_ index: Int) throws(StoreError) -> UInt64 { UInt64(bitPattern: try integer(index)) }
    func time(_ index: Int) throws(StoreError) -> Timestamp { Timestamp(milliseconds: try integer(index)) }
    func optionalTime(_ index: Int) -> Timestamp? { optionalInteger(index).map(Timestamp.init(milliseconds:)) }

    func number<Number: FixedWidthInteger>(_ index: Int) throws(StoreError) -> Number {
        try need(Number(exactly: integer(index)), index)
    }
    func optionalNumber<Number: FixedWidthInteger>(_ index: Int) throws(StoreError) -> Number? {
        guard let integer = optionalInteger(index) else { return nil }
        return try need(Number(exactly: integer), index)
    }

    func name(_ index: Int) throws(StoreError) -> Name {
        let text = try text(index)
        do { return try Name(parsing: text) } catch { throw damage(index) }
    }
    func iccid(_ index: Int) throws(StoreError) -> ICCID {
        let text = try text(index)
        do { return try ICCID(parsing: text) } catch { throw damage(index) }
    }
    func address(_ index: Int) throws(StoreError) -> IPv4Address { IPv4Address(bits: try number(index)) }
    func optionalAddress(_ index: Int) throws(StoreError) -> IPv4Address? {
        try optionalNumber(index).map(IPv4Address.init(bits:))
    }
    func imsi(_ index: Int) throws(StoreError) -> IMSI { try need(IMSI(key: integer(index)), index) }
    func optionalIMSI(_ index: Int) throws(StoreError) -> IMSI? {
        optionalInteger(index) == nil ? nil : try imsi(index)
    }
    func apn(_ index: Int) throws(StoreError) -> APN { try need(APN(utf8: Array(text(index).utf8)), index) }
    func optionalAPN(_ index: Int) throws(StoreError) -> APN? {
        optionalText(index) == nil ? nil : try apn(index)
    }
    func optionalMSISDN(_ index: Int) throws(StoreError) -> MSISDN? {
        guard let text = optionalText(index) else { return nil }
        return try need(MSISDN(utf8: text.utf8), index)
    }
    func optionalToken(_ index: Int) throws(StoreError) -> SessionToken? {
        guard let bytes = optionalBytes(index) else { return nil }
        guard bytes.count == 16 else { throw damage(index) }
        return SessionToken(bits: bytes.reduce(0) { $0 << 8 | UInt128($1) })
    }
    func token(_ index: Int) throws(StoreError) -> SessionToken { try need(optionalToken(index), index) }

    /// Six columns from `index`.
    func equipment(_ index: Int) throws(StoreError) -> Equipment {
        var equipment = Equipment()
        if let text = optionalText(index) { equipment.imei = try need(IMEI(utf8: text.utf8), index) }
        equipment.rat = try optionalNumber(index + 1).map(RATType.init(rawValue:))
        if let text = optionalText(index + 2) { equipment.visitedNetwork = try need(PLMN(utf8: text.utf8), index + 2) }
        equipment.location = optionalBytes(index + 3).map(UserLocation.init(octets:))
        equipment.chargingID = try optionalNumber(index + 4)
        equipment.nsapi = try optionalNumber(index + 5)
        return equipment
    }

    /// Five columns from `index`.
    func usage(_ index: Int) throws(StoreError) -> SessionUsage {
        SessionUsage(
            octetsUp: try count(index), octetsDown: try count(index + 1), packetsUp: try count(index + 2),
            packetsDown: try count(index + 3), seconds: try count(index + 4))
    }

    /// A value from its text.
    func parsed<Value>(
        _ index: Int, _ parse: (Substring) throws(ParseError) -> Value
    ) throws(StoreError) -> Value {
        let text = try text(index)
        do { return try parse(text[...]) } catch { throw damage(index) }
    }
    func optionalParsed<Value>(
        _ index: Int, _ parse: (Substring) throws(ParseError) -> Value
    ) throws(StoreError) -> Value? {
        optionalText(index) == nil ? nil : try parsed(index, parse)
    }
    /// Values from a text with one a line.
    func lines<Value>(
        _ index: Int, _ parse: (Substring) throws(ParseError) -> Value
    ) throws(StoreError) -> [Value] {
        var values: [Value] = []
        // By octets: text is slow to take apart by characters.
        for line in try text(index).utf8.split(separator: UInt8(ascii: "\n")) {
            do { values.append(try parse(Substring(line))) } catch { throw damage(index) }
        }
        return values
    }

    func need<Value>(_ value: Value?, _ index: Int) throws(StoreError) -> Value {
        guard let value else { throw damage(index) }
        return value
    }

    func damage(_ index: Int) -> StoreError {
        let name = sqlite3_column_name(statement, Int32(index)).map { String(cString: $0) }
        return .damaged("unreadable value in column \(name ?? "\(index)")")
    }
}

extension Equipment {
    static let columns = "imei, rat, visited_network, location, charging_id, nsapi"
    /// In the order of `columns`.
    var sql: [SQLValue] {
        [imei.sql, rat.sql, visitedNetwork.sql, location.sql, chargingID.sql, nsapi.sql]
    }
}

extension SessionUsage {
    static let columns = "octets_up, octets_down, packets_up, packets_down, seconds"
    /// In the order of `columns`.
    var sql: [SQLValue] { [octetsUp.sql, octetsDown.sql, packetsUp.sql, packetsDown.sql, seconds.sql] }
}
