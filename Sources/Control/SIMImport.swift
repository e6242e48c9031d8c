public import Domain
import Store

/// Reads SIMs from CSV (RFC 4180): a header line with `iccid,imsi,msisdn,group,name` in any order, of which `iccid`
/// and `imsi` are required, then a SIM a line.
struct SIMFile {
    struct Row {
        /// The line in the file, from 1.
        let line: Int
        let imsi: IMSI
        let iccid: ICCID
        let msisdn: MSISDN?
        let group: Name?
        let label: String
    }

    private(set) var rows: [Row] = []
    private(set) var problems: [ControlError.Problem] = []

    static let columns = ["iccid", "imsi", "msisdn", "group", "name"]

    init(parsing bytes: [UInt8]) throws(ControlError) {
        var records = CSVRecords(bytes)
        guard let header = records.next() else {
            throw ControlError(
                .invalid, "the file is empty: its first line must be \(Self.columns.joined(separator: ","))")
        }
        var places: [String: Int] = [:]
        for (place, name) in header.fields.enumerated() {
            let column = name.lowercased()
            guard Self.columns.contains(column), places.updateValue(place, forKey: column) == nil else {
                throw ControlError(
                    .invalid, "the header is wrong; nothing was imported",
                    problems: [
                        .init(
                            line: header.line, field: column,
                            message: "unknown or repeated column: write \(Self.columns.joined(separator: ","))")
                    ])
            }
        }
        guard let iccid = places["iccid"], let imsi = places["imsi"] else {
            throw ControlError(
                .invalid, "the header lacks the column iccid or imsi: write \(Self.columns.joined(separator: ","))")
        }
        while let record = records.next() {
            guard record.isWellFormed, record.fields.count == header.fields.count else {
                problems.append(
                    .init(
                        line: record.line, field: "",
                        message: record.isWellFormed
                            ? "\(record.fields.count) fields where the header has \(header.fields.count)"
                            : "a quotation mark stands where none may (RFC 4180 §2)"))
                continue
            }
            let text = { (column: String) -> String in places[column].map { record.fields[$0] } ?? "" }
            var field = "iccid"
            do throws(ParseError) {
                let card = try ICCID(parsing: record.fields[iccid])
                field = "imsi"
                let subscriber = try IMSI(parsing: record.fields[imsi])
                field = "msisdn"
                let msisdn = text("msisdn").isEmpty ? nil : try MSISDN(parsing: text("msisdn"))
                field = "group"
                let group = text("group").isEmpty ? nil : try Name(parsing: text("group"))
                field = "name"
                let label = text("name")
                guard label.utf8.count <= 100 else {
                    throw ParseError(kind: "a SIM's name", text: label, expected: "write 100 octets at most")
                }
                rows.append(
                    Row(
                        line: record.line, imsi: subscriber, iccid: card, msisdn: msisdn, group: group, label: label))
            } catch {
                problems.append(.init(line: record.line, field: field, message: error.description))
            }
        }
    }
}

extension ControlPlane {
    /// What an import did.
    public struct ImportReport: Hashable, Sendable {
        public let imported: Int
        /// Rows that were not imported, with their lines.
        public let problems: [ControlError.Problem]
    }

    /// Imports SIMs. Without `isAtomic` the good rows land and the others are reported; with it one bad row keeps all
    /// out (`.invalid`, with every problem), in one transaction.
    public func importSIMs(
        csv: [UInt8], isAtomic: Bool, to tenant: Name, by principal: Principal
    ) async throws(ControlError) -> ImportReport {
        let (owner, groups) = try await read { store in
            let owner = try store.visibleTenant(tenant, to: principal)
            let groups = try store.groups(of: owner.id)
            return (owner, Dictionary(uniqueKeysWithValues: groups.map { ($0.name, $0.id) }))
        }
        let file = try SIMFile(parsing: csv)
        // One transaction when all or nothing is wanted; else short ones, so that attaches pass between them.
        let chunk = isAtomic ? max(file.rows.count, 1) : 2000
        var imported = 0
        var problems = file.problems
        if isAtomic { try Self.refuse(problems) }
        var start = 0
        while start < file.rows.count {
            let rows = Array(file.rows[start..<min(start + chunk, file.rows.count)])
            start += chunk
            let now = now()
            let known = problems.count
            let failed = try await Self.translating {
                try await self.store.write { store in
                    var failed: [ControlError.Problem] = []
                    for row in rows {
                        var group: SIMGroup.ID?
                        if let name = row.group {
                            group = groups[name]
                            if group == nil {
                                failed.append(
                                    .init(line: row.line, field: "group", message: "there is no group \(name)"))
                                continue
                            }
                        }
                        do {
                            _ = try store.savepoint {
                                try store.insertSIM(
                                    NewSIM(
                                        imsi: row.imsi, iccid: row.iccid, msisdn: row.msisdn, group: group,
                                        label: row.label),
                                    of: owner.id, at: now)
                            }
                        } catch let error as StoreError where error.code == .conflict {
                            // The sentence names the number: any of three may be taken.
                            failed.append(.init(line: row.line, field: "", message: error.message))
                        }
                    }
                    // Throwing takes the transaction back.
                    if isAtomic { try Self.refuse(failed) }
                    return failed
                }
            }
            problems += failed
            imported += rows.count - (problems.count - known)
        }
        try await Self.translating {
            try await self.audit("sim.import", "\(tenant)", detail: "\(imported) imported", by: principal)
        }
        return ImportReport(imported: imported, problems: problems.sorted { ($0.line ?? 0) < ($1.line ?? 0) })
    }

    private static func refuse(_ problems: [ControlError.Problem]) throws(ControlError) {
        guard problems.isEmpty else {
            throw ControlError(
                .invalid, "\(problems.count) row(s) are wrong; nothing was imported", problems: problems)
        }
    }
}
