import Domain
import GRDB

extension SQLiteReading {
    private static var vpnColumns: String {
        """
        SELECT id, tenant, name, number, interface, next_hop, next_hop6, networks, created_at, vpn, \(Tunnel.columns)
        FROM vpns LEFT JOIN tunnels ON tunnels.vpn = vpns.id
        """
    }

    func vpn(named name: Name, of tenant: Tenant.ID) throws(StoreError) -> VPN? {
        try row("\(Self.vpnColumns) WHERE tenant = ? AND name = ?", [tenant.sql, name.sql], VPN.init(columns:))
    }

    func vpn(_ id: VPN.ID) throws(StoreError) -> VPN? {
        try row("\(Self.vpnColumns) WHERE id = ?", [id.sql], VPN.init(columns:))
    }

    func vpn(numbered number: VPNNumber) throws(StoreError) -> VPN? {
        try row("\(Self.vpnColumns) WHERE number = ?", [number.rawValue.sql], VPN.init(columns:))
    }

    func vpns(of tenant: Tenant.ID) throws(StoreError) -> [VPN] {
        try rows("\(Self.vpnColumns) WHERE tenant = ? ORDER BY name", [tenant.sql], VPN.init(columns:))
    }

    func allVPNs() throws(StoreError) -> [VPN] {
        try rows("\(Self.vpnColumns) ORDER BY id", [], VPN.init(columns:))
    }

    func vpnCount(of tenant: Tenant.ID) throws(StoreError) -> UInt32 {
        try row("SELECT count(*) FROM vpns WHERE tenant = ?", [tenant.sql]) { columns throws(StoreError) in
            try columns.number(0)
        } ?? 0
    }

    func vpnLimit(of tenant: Tenant.ID) throws(StoreError) -> UInt32? {
        let limit = try row("SELECT vpns FROM tenant_limits WHERE tenant = ?", [tenant.sql]) {
            columns throws(StoreError) in try columns.optionalNumber(0) as UInt32?
        }
        return limit ?? nil
    }
}

extension SQLiteTransaction {
    func insertVPN(name: Name, of tenant: Tenant.ID, line: VPN.Line, at time: Timestamp) throws(StoreError) -> VPN {
        let networks = line.networks.map(\.description) + line.networks6.map(\.description)
        return try insert(name, of: tenant, .line(line), networks, at: time)
    }

    func insertVPN(name: Name, of tenant: Tenant.ID, tunnel: Tunnel, at time: Timestamp) throws(StoreError) -> VPN {
        try Self.check(tunnel)
        let vpn = try insert(name, of: tenant, .tunnel(tunnel), tunnel.networks.map(\.description), at: time)
        try execute(
            "INSERT INTO tunnels (vpn, \(Tunnel.columns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [vpn.id.sql] + tunnel.sql)
        return vpn
    }

    private func insert(
        _ name: Name, of tenant: Tenant.ID, _ way: VPN.Way, _ networks: [String], at time: Timestamp
    ) throws(StoreError) -> VPN {
        guard let number = try freeNumber() else {
            throw StoreError(
                code: .exhausted, message: "the gateway has \(VPNNumber.limit) VPNs, which is the most: delete one")
        }
        let (line, interface): (VPN.Line?, InterfaceName) =
            switch way {
            case .line(let line): (line, line.interface)
            case .tunnel: (nil, number.tunnelInterface)
            }
        let id = try insert(
            """
            INSERT INTO vpns (tenant, name, number, interface, next_hop, next_hop6, networks, created_at)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                tenant.sql, name.sql, number.rawValue.sql, interface.description.sql,
                (line?.nextHop?.description).sql, (line?.nextHop6?.description).sql,
                networks.joined(separator: "\n").sql, time.sql,
            ]
        ) { violation in
            if violation.isForeignKey { return .notFound(Self.noTenant) }
            if violation.concerns("vpns.interface") {
                return .conflict("the interface \(interface) belongs to another VPN: give each one of its own")
            }
            return violation.concerns("vpns.name") ? .conflict("the tenant has a VPN \(name) already") : nil
        }
        return VPN(id: Identifier(id), tenant: tenant, name: name, number: number, way: way, createdAt: time)
    }

    /// The lowest: small numbers make a short way through the routing rules. With none free between them, which costs the most
    /// to find out, their count says so.
    private func freeNumber() throws(StoreError) -> VPNNumber? {
        let free = try row(
            """
            SELECT CASE WHEN NOT EXISTS (SELECT 1 FROM vpns WHERE number = 0) THEN 0
                WHEN (SELECT max(number) + 1 FROM vpns) = (SELECT count(*) FROM vpns)
                    THEN (SELECT max(number) + 1 FROM vpns)
                ELSE (SELECT min(a.number) + 1 FROM vpns a WHERE NOT EXISTS
                    (SELECT 1 FROM vpns b WHERE b.number = a.number + 1)) END
            """, []
        ) { columns throws(StoreError) in try columns.number(0) as UInt32 }
        return free.flatMap { VPNNumber($0) }
    }

    func updateTunnel(_ id: VPN.ID, to tunnel: Tunnel) throws(StoreError) {
        try Self.check(tunnel)
        let changed = try execute(
            "UPDATE tunnels SET (\(Tunnel.columns)) = (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) WHERE vpn = ?",
            tunnel.sql + [id.sql])
        guard changed > 0 else {
            throw try vpn(id) == nil
                ? .notFound(Self.noVPN)
                : .conflict("the VPN is a line of the operator's: delete it, then make a tunnel of its name")
        }
        try change(
            "UPDATE vpns SET networks = ? WHERE id = ?",
            [tunnel.networks.map(\.description).joined(separator: "\n").sql, id.sql], missing: Self.noVPN)
    }

    /// Asked first, so that a refusal changes nothing even for a caller without a savepoint.
    private static func check(_ tunnel: Tunnel) throws(StoreError) {
        guard let from = tunnel.partner?.validFrom, let until = tunnel.partner?.validUntil, from >= until else {
            return
        }
        throw .conflict("the partner's time ends before it begins: give a later end")
    }

    func deleteVPN(_ id: VPN.ID) throws(StoreError) {
        try change("DELETE FROM vpns WHERE id = ?", [id.sql], missing: Self.noVPN)
    }

    func setVPNLimit(_ limit: UInt32?, of tenant: Tenant.ID) throws(StoreError) {
        try execute(
            """
            INSERT INTO tenant_limits (tenant, vpns) VALUES (?, ?)
            ON CONFLICT (tenant) DO UPDATE SET vpns = excluded.vpns
            """, [tenant.sql, limit.sql]
        ) { $0.isForeignKey ? .notFound(Self.noTenant) : nil }
    }

    static var noVPN: String { "there is no such VPN" }
    static var noTunnel: String { "there is no such VPN of IPsec" }
}

extension VPN {
    fileprivate init(columns: Columns) throws(StoreError) {
        let number = try columns.need(VPNNumber(try columns.number(3)), 3)
        let way: Way
        if columns.optionalInteger(9) != nil {
            _ = try columns.need(try columns.text(4) == number.tunnelInterface.description ? number : nil, 4)
            way = .tunnel(try Tunnel(columns: columns))
        } else {
            way = .line(try Line(columns: columns))
        }
        self.init(
            id: try columns.id(0), tenant: try columns.id(1), name: try columns.name(2), number: number, way: way,
            createdAt: try columns.time(8))
    }
}

extension VPN.Line {
    fileprivate init(columns: Columns) throws(StoreError) {
        var networks: [IPv4Prefix] = []
        var networks6: [IPv6Prefix] = []
        for item in try columns.lines(7, ListItem.init(parsing:)) {
            switch item {
            case .ipv4(let prefix): networks.append(prefix)
            case .ipv6(let prefix): networks6.append(prefix)
            case .host: _ = try columns.need(nil as Int?, 7)
            }
        }
        self.init(
            interface: try columns.parsed(4, InterfaceName.init(parsing:)),
            nextHop: try columns.optionalParsed(5, IPv4Address.init(parsing:)),
            nextHop6: try columns.optionalParsed(6, IPv6Address.init(parsing:)), networks: networks,
            networks6: networks6)
    }
}

extension Tunnel {
    /// All but the networks, which stand in the VPN's row.
    fileprivate static let columns = """
        peer, devices, profile, authentication, peer_identity, initiation, forces_encapsulation, pairs_selectors, probe,
            partner, partner_destinations, partner_ports, valid_from, valid_until, gateway_identity
        """

    /// In the order of `columns`.
    fileprivate var sql: [SQLValue] {
        let partner: [SQLValue] = [
            (self.partner?.name).sql,
            (self.partner?.destinations.map(\.description).joined(separator: "\n")).sql,
            (self.partner?.ports.map(\.description).joined(separator: "\n")).sql,
            (self.partner?.validFrom).sql, (self.partner?.validUntil).sql,
        ]
        return [
            peer.description.sql, devices.description.sql, profile.rawValue.sql, authentication.rawValue.sql,
            (peerIdentity?.description).sql, initiation.rawValue.sql, forcesEncapsulation.sql, pairsSelectors.sql,
            (probe?.description).sql,
        ] + partner + [gatewayIdentity.rawValue.sql]
    }

    fileprivate init(columns: Columns) throws(StoreError) {
        self.init(
            peer: try columns.parsed(10, Peer.init(parsing:)),
            networks: try columns.lines(7, RemoteNetwork.init(parsing:)),
            devices: try columns.parsed(11, Devices.init(parsing:)),
            profile: try columns.need(Profile(rawValue: try columns.text(12)), 12),
            authentication: try columns.need(Authentication(rawValue: try columns.text(13)), 13),
            peerIdentity: try columns.optionalParsed(14, IKEIdentity.init(parsing:)),
            gatewayIdentity: try columns.need(GatewayIdentity(rawValue: try columns.text(24)), 24),
            initiation: try columns.need(Initiation(rawValue: try columns.text(15)), 15),
            forcesEncapsulation: try columns.flag(16), pairsSelectors: try columns.flag(17),
            probe: try columns.optionalParsed(18, IPv4Address.init(parsing:)), partner: try Self.partner(columns))
    }

    private static func partner(_ columns: Columns) throws(StoreError) -> Partner? {
        guard columns.optionalText(19) != nil else { return nil }
        return Partner(
            name: try columns.name(19), destinations: try columns.lines(20, IPv4Prefix.init(parsing:)),
            ports: try columns.lines(21, PartnerPorts.init(parsing:)), validFrom: columns.optionalTime(22),
            validUntil: columns.optionalTime(23))
    }
}
