import Domain
import GRDB

extension SQLiteReading {
    private static var nasColumns: String {
        """
        SELECT id, name, address, requires_message_authenticator, disconnect_port, disconnect_key, attributes, attempts,
            first_wait, requests_per_second, takes_changes, change_port, interim_seconds, stale_intervals, idle_minutes
        FROM nas
        """
    }

    func nas(named name: Name) throws(StoreError) -> NAS? {
        try row("\(Self.nasColumns) WHERE name = ?", [name.sql], NAS.init(columns:))
    }

    func nas(_ id: NAS.ID) throws(StoreError) -> NAS? {
        try row("\(Self.nasColumns) WHERE id = ?", [id.sql], NAS.init(columns:))
    }

    func allNAS() throws(StoreError) -> [NAS] {
        try rows("\(Self.nasColumns) ORDER BY id", [], NAS.init(columns:))
    }

    func secret(of nas: NAS.ID) throws(StoreError) -> Secret? {
        let sealed = try row("SELECT sealed_secret FROM nas WHERE id = ?", [nas.sql]) { columns throws(StoreError) in
            try columns.bytes(0)
        }
        guard let sealed else { return nil }
        guard let bytes = sealer.open(sealed, row: Self.secretRow(nas)) else {
            throw .damaged("the secret of NAS \(nas) does not open")
        }
        return Secret(bytes: bytes)
    }

    fileprivate static func secretRow(_ nas: NAS.ID) -> String { "nas/\(nas)/secret" }
}

extension SQLiteTransaction {
    func insertNAS(
        name: Name, address: IPv4Address, secret: Secret, requiresMessageAuthenticator: Bool, disconnectPort: UInt16,
        disconnectKey: NAS.DisconnectKey
    ) throws(StoreError) -> NAS {
        let nas = NAS(
            id: NAS.ID(try nextRow(of: "nas")), name: name, address: address,
            requiresMessageAuthenticator: requiresMessageAuthenticator, disconnectPort: disconnectPort,
            disconnectKey: disconnectKey)
        try execute(
            """
            INSERT INTO nas (id, sealed_secret, name, address, requires_message_authenticator, disconnect_port,
                disconnect_key)
            VALUES (?, ?, ?, ?, ?, ?, ?)
            """,
            [nas.id.sql, try sealer.seal(secret.bytes, row: Self.secretRow(nas.id)).sql] + nas.sql
        ) { Self.refusal($0, nas) }
        return nas
    }

    func updateNAS(_ nas: NAS, secret: Secret?) throws(StoreError) {
        let sealed: [UInt8]? =
            if let secret { try sealer.seal(secret.bytes, row: Self.secretRow(nas.id)) } else { nil }
        try change(
            """
            UPDATE nas SET name = ?, address = ?, requires_message_authenticator = ?, disconnect_port = ?,
                disconnect_key = ?, attributes = ?, attempts = ?, first_wait = ?, requests_per_second = ?,
                takes_changes = ?, change_port = ?, interim_seconds = ?, stale_intervals = ?, idle_minutes = ?,
                sealed_secret = coalesce(?, sealed_secret)
            WHERE id = ?
            """,
            nas.sql + nas.profile.sql + [sealed.sql, nas.id.sql], missing: Self.noNAS
        ) { Self.refusal($0, nas) }
    }

    func deleteNAS(_ id: NAS.ID) throws(StoreError) {
        try change("DELETE FROM nas WHERE id = ?", [id.sql], missing: Self.noNAS) {
            $0.isForeignKey ? .conflict("the NAS has active sessions: end them first") : nil
        }
    }

    static var noNAS: String { "there is no such NAS" }

    private static func refusal(_ violation: ConstraintViolation, _ nas: NAS) -> StoreError? {
        if violation.concerns("nas.name") { return .conflict("a NAS \(nas.name) exists already") }
        if violation.concerns("nas.address") { return .conflict("another NAS has the address \(nas.address)") }
        return nil
    }
}

extension NAS {
    fileprivate init(columns: Columns) throws(StoreError) {
        self.init(
            id: try columns.id(0), name: try columns.name(1), address: try columns.address(2),
            requiresMessageAuthenticator: try columns.flag(3), disconnectPort: try columns.number(4),
            disconnectKey: try columns.need(DisconnectKey(rawValue: columns.text(5)), 5),
            profile: try Profile(columns: columns, from: 6))
    }

    /// All but the id and the secret.
    fileprivate var sql: [SQLValue] {
        [
            name.sql, address.sql, requiresMessageAuthenticator.sql, disconnectPort.sql, disconnectKey.rawValue.sql,
        ]
    }
}

extension NAS.Profile {
    fileprivate init(columns: Columns, from index: Int) throws(StoreError) {
        var attributes: [NAS.SessionAttribute] = []
        for name in try columns.text(index).split(separator: "\n") {
            attributes.append(try columns.need(NAS.SessionAttribute(rawValue: String(name)), index))
        }
        self.init(
            attributes: attributes, attempts: try columns.number(index + 1),
            firstWaitMilliseconds: try columns.number(index + 2), requestsPerSecond: try columns.number(index + 3),
            takesChanges: try columns.flag(index + 4), changePort: try columns.optionalNumber(index + 5),
            interimSeconds: try columns.number(index + 6), staleIntervals: try columns.number(index + 7),
            idleMinutes: try columns.number(index + 8))
    }

    fileprivate var sql: [SQLValue] {
        [
            attributes.map(\.rawValue).joined(separator: "\n").sql, attempts.sql, firstWaitMilliseconds.sql,
            requestsPerSecond.sql, takesChanges.sql, changePort.sql, interimSeconds.sql, staleIntervals.sql,
            idleMinutes.sql,
        ]
    }
}
