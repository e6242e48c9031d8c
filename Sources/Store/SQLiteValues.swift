import Domain
// GRDB takes and gives BLOBs as Data.
import Foundation
import GRDB

/// A value of the domain as SQLite keeps it.
protocol SQLValue {
    var sql: DatabaseValue { get }
}

extension Optional where Wrapped: SQLValue {
    var sql: DatabaseValue { self?.sql ?? .null }
}

extension Int64: SQLValue { var sql: DatabaseValue { databaseValue } }
extension UInt8: SQLValue { var sql: DatabaseValue { Int64(self).databaseValue } }
extension UInt16: SQLValue { var sql: DatabaseValue { Int64(self).databaseValue } }
extension UInt32: SQLValue { var sql: DatabaseValue { Int64(self).databaseValue } }
extension Bool: SQLValue { var sql: DatabaseValue { (self ? 1 : 0 as Int64).databaseValue } }
extension String: SQLValue { var sql: DatabaseValue { databaseValue } }
extension [UInt8]: SQLValue { var sql: DatabaseValue { Data(self).databaseValue } }

/// SQLite's integers are signed: the same 64 bits, so that no count is too large to keep.
extension UInt64: SQLValue { var sql: DatabaseValue { Int64(bitPattern: self).databaseValue } }

extension Identifier: SQLValue { var sql: DatabaseValue { rawValue.sql } }
extension Timestamp: SQLValue { var sql: DatabaseValue { milliseconds.sql } }
extension Name: SQLValue { var sql: DatabaseValue { description.sql } }
extension APN: SQLValue { var sql: DatabaseValue { description.sql } }
extension ICCID: SQLValue { var sql: DatabaseValue { description.sql } }
extension MSISDN: SQLValue { var sql: DatabaseValue { description.sql } }
extension IMEI: SQLValue { var sql: DatabaseValue { description.sql } }
extension PLMN: SQLValue { var sql: DatabaseValue { description.sql } }
extension IMSI: SQLValue { var sql: DatabaseValue { key.sql } }
extension IPv4Address: SQLValue { var sql: DatabaseValue { bits.sql } }
extension RATType: SQLValue { var sql: DatabaseValue { rawValue.sql } }
extension UserLocation: SQLValue { var sql: DatabaseValue { octets.sql } }

extension SessionToken: SQLValue {
    var sql: DatabaseValue {
        withUnsafeBytes(of: bits.bigEndian) { Data($0) }.databaseValue
    }
}

/// The row a statement stands on. The tables are STRICT, so a value that cannot be decoded means a damaged file.
struct Columns {
    let row: Row

    func integer(_ index: Int) throws(StoreError) -> Int64 { try need(optionalInteger(index), index) }
    func text(_ index: Int) throws(StoreError) -> String { try need(optionalText(index), index) }
    func bytes(_ index: Int) throws(StoreError) -> [UInt8] { try need(optionalBytes(index), index) }

    func optionalInteger(_ index: Int) -> Int64? { row[index] }
    func optionalText(_ index: Int) -> String? { row[index] }
    func optionalBytes(_ index: Int) -> [UInt8]? { (row[index] as Data?).map { Array($0) } }

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

    func need<Value>(_ value: Value?, _ index: Int) throws(StoreError) -> Value {
        guard let value else { throw damage(index) }
        return value
    }

    private func damage(_ index: Int) -> StoreError {
        .damaged("unreadable value in column \(row.columnNames.dropFirst(index).first ?? "\(index)")")
    }
}

extension Equipment {
    static let columns = "imei, rat, visited_network, location, charging_id, nsapi"
    /// In the order of `columns`.
    var sql: [DatabaseValue] {
        [imei.sql, rat.sql, visitedNetwork.sql, location.sql, chargingID.sql, nsapi.sql]
    }
}

extension SessionUsage {
    static let columns = "octets_up, octets_down, packets_up, packets_down, seconds"
    /// In the order of `columns`.
    var sql: [DatabaseValue] { [octetsUp.sql, octetsDown.sql, packetsUp.sql, packetsDown.sql, seconds.sql] }
}
