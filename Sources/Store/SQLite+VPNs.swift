import Domain
import GRDB

extension SQLiteReading {
    private static var vpnColumns: String {
        "SELECT id, tenant, name, number, interface, next_hop, next_hop6, networks, created_at FROM vpns"
    }

    func vpn(named name: Name, of tenant: Tenant.ID) throws(StoreError) -> VPN? {
        try row("\(Self.vpnColumns) WHERE tenant = ? AND name = ?", [tenant.sql, name.sql], VPN.init(columns:))
    }

    func vpns(of tenant: Tenant.ID) throws(StoreError) -> [VPN] {
        try rows("\(Self.vpnColumns) WHERE tenant = ? ORDER BY name", [tenant.sql], VPN.init(columns:))
    }

    func allVPNs() throws(StoreError) -> [VPN] {
        try rows("\(Self.vpnColumns) ORDER BY id", [], VPN.init(columns:))
    }
}

extension SQLiteTransaction {
    func insertVPN(name: Name, of tenant: Tenant.ID, line: VPN.Line, at time: Timestamp) throws(StoreError) -> VPN {
        guard let number = try freeNumber() else {
            throw StoreError(
                code: .exhausted, message: "the gateway has \(VPNNumber.limit) VPNs, which is the most: delete one")
        }
        let networks = line.networks.map(\.description) + line.networks6.map(\.description)
        let id = try insert(
            """
            INSERT INTO vpns (tenant, name, number, interface, next_hop, next_hop6, networks, created_at)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                tenant.sql, name.sql, number.rawValue.sql, line.interface.description.sql,
                line.nextHop.map(\.description).sql, line.nextHop6.map(\.description).sql,
                networks.joined(separator: "\n").sql, time.sql,
            ]
        ) { violation in
            if violation.isForeignKey { return .notFound(Self.noTenant) }
            if violation.concerns("vpns.interface") {
                return .conflict("the interface \(line.interface) belongs to another VPN: give each one of its own")
            }
            return violation.concerns("vpns.name") ? .conflict("the tenant has a VPN \(name) already") : nil
        }
        return VPN(
            id: Identifier(id), tenant: tenant, name: name, number: number, line: line, createdAt: time)
    }

    /// The lowest: small numbers make a short way through the routing rules.
    private func freeNumber() throws(StoreError) -> VPNNumber? {
        let free = try row(
            """
            SELECT CASE WHEN NOT EXISTS (SELECT 1 FROM vpns WHERE number = 0) THEN 0
                ELSE (SELECT min(a.number) + 1 FROM vpns a WHERE NOT EXISTS
                    (SELECT 1 FROM vpns b WHERE b.number = a.number + 1)) END
            """, []
        ) { columns throws(StoreError) in try columns.number(0) as UInt32 }
        return free.flatMap { VPNNumber($0) }
    }

    func deleteVPN(_ id: VPN.ID) throws(StoreError) {
        try change("DELETE FROM vpns WHERE id = ?", [id.sql], missing: "there is no such VPN")
    }
}

extension VPN {
    fileprivate init(columns: Columns) throws(StoreError) {
        let interface = try columns.text(4)
        var networks: [IPv4Prefix] = []
        var networks6: [IPv6Prefix] = []
        for line in try columns.text(7).split(separator: "\n") {
            // What was an address when it was stored is one still; the same below.
            switch try columns.need(try? ListItem(parsing: line), 7) {
            case .ipv4(let prefix): networks.append(prefix)
            case .ipv6(let prefix): networks6.append(prefix)
            case .host: _ = try columns.need(nil as Int?, 7)
            }
        }
        var (nextHop, nextHop6): (IPv4Address?, IPv6Address?) = (nil, nil)
        if let text = columns.optionalText(5) { nextHop = try columns.need(try? IPv4Address(parsing: text), 5) }
        if let text = columns.optionalText(6) { nextHop6 = try columns.need(try? IPv6Address(parsing: text), 6) }
        self.init(
            id: try columns.id(0), tenant: try columns.id(1), name: try columns.name(2),
            number: try columns.need(VPNNumber(try columns.number(3)), 3),
            line: Line(
                interface: try columns.need(try? InterfaceName(parsing: interface), 4), nextHop: nextHop,
                nextHop6: nextHop6, networks: networks, networks6: networks6),
            createdAt: try columns.time(8))
    }
}
