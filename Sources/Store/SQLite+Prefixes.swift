import Domain
import GRDB

extension SQLiteReading {
    func prefixPools() throws(StoreError) -> [PrefixPoolUsage] {
        try rows(
            """
            SELECT p.id, p.first, p.length, p.block_length, p.delegated_length, count(b.first), coalesce(sum(b.leased), 0)
            FROM prefix_pools p LEFT JOIN prefix_blocks b ON b.pool = p.id GROUP BY p.id ORDER BY p.id
            """
        ) { columns throws(StoreError) in
            let prefix = Self.prefix(try columns.count(1), length: try columns.number(2))
            let id: PrefixPool.ID = try columns.id(0)
            let (length, delegated): (UInt8, UInt8?) = (try columns.number(3), try columns.optionalNumber(4))
            let pool: PrefixPool
            do throws(PrefixPool.Fault) {
                pool = try PrefixPool(id: id, prefix: prefix, blockLength: length, delegatedLength: delegated)
            } catch {
                throw .damaged("a pool of prefixes: \(error)")
            }
            return PrefixPoolUsage(
                pool: pool, blocksGiven: try columns.number(5), prefixesLeased: try columns.number(6))
        }
    }

    func prefixBlocks(of tenant: Tenant.ID) throws(StoreError) -> [IPv6Prefix] {
        try rows(
            """
            SELECT b.first, p.block_length FROM prefix_blocks b CROSS JOIN prefix_pools p ON p.id = b.pool
            WHERE b.tenant = ? ORDER BY b.first
            """, [tenant.sql]
        ) { columns throws(StoreError) in
            Self.prefix(try columns.count(0), length: try columns.number(1))
        }
    }

    func prefixLeases(of sim: SIM.ID) throws(StoreError) -> [PrefixLease] {
        try rows("SELECT apn, prefix, delegated_length FROM prefix_leases WHERE sim = ? ORDER BY apn", [sim.sql]) {
            columns throws(StoreError) in
            PrefixLease(
                sim: sim, apn: try columns.apn(0),
                prefixes: try columns.need(columns.optionalPrefixes(1), 1))
        }
    }

    func prefixLease(of sim: SIM.ID, on apn: APN) throws(StoreError) -> PrefixLease? {
        try row("SELECT prefix, delegated_length FROM prefix_leases WHERE sim = ? AND apn = ?", [sim.sql, apn.sql]) {
            columns throws(StoreError) in
            PrefixLease(sim: sim, apn: apn, prefixes: try columns.need(columns.optionalPrefixes(0), 0))
        }
    }

    func activeSession(address: IPv6Address) throws(StoreError) -> Session? {
        let network = SessionPrefixes.network(of: address)
        // Sessions' networks do not overlap, so that it is the one before or none.
        let session = try row(SessionSQL.openByNetwork, [network.sql], Session.init(columns:))
        return session.flatMap { $0.prefixes?.contains(address) == true ? $0 : nil }
    }

    private static func prefix(_ network: UInt64, length: UInt8) -> IPv6Prefix {
        IPv6Prefix(containing: IPv6Address(bits: UInt128(network) << 64), length: length)
    }
}

extension SQLiteTransaction {
    func insertPool(
        prefix: IPv6Prefix, blockLength: UInt8, delegatedLength: UInt8?
    ) throws(StoreError) -> PrefixPool {
        let made = { (id: PrefixPool.ID) throws(PrefixPool.Fault) in
            try PrefixPool(id: id, prefix: prefix, blockLength: blockLength, delegatedLength: delegatedLength)
        }
        do throws(PrefixPool.Fault) { _ = try made(PrefixPool.ID(0)) } catch { throw .conflict("\(error)") }
        let (first, last) = (SessionPrefixes.network(of: prefix.first), SessionPrefixes.network(of: prefix.last))
        let id = try insert(
            """
            INSERT INTO prefix_pools (first, length, block_length, delegated_length, last, next_block)
            VALUES (?, ?, ?, ?, ?, ?)
            """, [first.sql, prefix.length.sql, blockLength.sql, delegatedLength.sql, last.sql, first.sql]
        ) { violation in
            violation.concerns("pools overlap") ? .conflict("\(prefix) overlaps another pool: give another") : nil
        }
        do throws(PrefixPool.Fault) { return try made(PrefixPool.ID(id)) } catch { throw .conflict("\(error)") }
    }

    func deletePool(_ id: PrefixPool.ID) throws(StoreError) {
        try change("DELETE FROM prefix_pools WHERE id = ?", [id.sql], missing: "there is no such pool") {
            $0.isForeignKey ? .conflict("tenants have blocks of the pool: delete those tenants first") : nil
        }
    }

    func ensurePrefixBlock(of tenant: Tenant.ID) throws(StoreError) {
        guard try !exists("SELECT 1 FROM prefix_blocks WHERE tenant = ?", [tenant.sql]) else { return }
        guard try exists("SELECT 1 FROM tenants WHERE id = ?", [tenant.sql]) else {
            throw .notFound("there is no such tenant")
        }
        try givePrefixBlock(to: tenant)
    }

    func takePrefixes(sim: SIM.ID, tenant: Tenant.ID, apn: APN) throws(StoreError) -> PrefixLease {
        if let lease = try prefixLease(of: sim, on: apn) { return lease }
        let prefixes = try takePrefixes(for: sim, of: tenant)
        try execute(
            "INSERT INTO prefix_leases (prefix, delegated_length, tenant, sim, apn) VALUES (?, ?, ?, ?, ?)",
            prefixes.sql + [tenant.sql, sim.sql, apn.sql])
        return PrefixLease(sim: sim, apn: apn, prefixes: prefixes)
    }

    /// In the order of addresses: what nobody has had, what was released longest ago, the first of a new block.
    private func takePrefixes(for sim: SIM.ID, of tenant: Tenant.ID) throws(StoreError) -> SessionPrefixes {
        if let prefixes = try takeUnusedPrefixes(for: sim, of: tenant) { return prefixes }
        // The steps below take what they find, and must not fail half-way.
        guard try exists("SELECT 1 FROM sims WHERE id = ? AND tenant = ?", [sim.sql, tenant.sql]) else {
            throw .notFound(Self.noSIM)
        }
        let freed = try row(
            """
            DELETE FROM freed_prefixes
            WHERE seq = (SELECT seq FROM freed_prefixes WHERE tenant = ? ORDER BY seq LIMIT 1)
            RETURNING prefix, delegated_length
            """, [tenant.sql]
        ) { columns throws(StoreError) in try columns.need(columns.optionalPrefixes(0), 0) }
        if let freed { return freed }
        try givePrefixBlock(to: tenant)
        guard let prefixes = try takeUnusedPrefixes(for: sim, of: tenant) else {
            throw .damaged("a new block has no free prefix")
        }
        return prefixes
    }

    /// `nil` also when there is no such SIM of the tenant.
    private func takeUnusedPrefixes(for sim: SIM.ID, of tenant: Tenant.ID) throws(StoreError) -> SessionPrefixes? {
        try row(
            """
            UPDATE prefix_blocks SET next = next + unit
            WHERE first = (SELECT first FROM prefix_blocks WHERE tenant = ? AND next <= last ORDER BY first LIMIT 1)
                AND EXISTS (SELECT 1 FROM sims WHERE id = ? AND tenant = ?)
            RETURNING next - unit, (SELECT delegated_length FROM prefix_pools WHERE id = pool)
            """, [tenant.sql, sim.sql, tenant.sql]
        ) { columns throws(StoreError) in try columns.need(columns.optionalPrefixes(0), 0) }
    }

    /// Gives the tenant a block of the first pool with room: one never used, else the one freed longest ago.
    private func givePrefixBlock(to tenant: Tenant.ID) throws(StoreError) {
        let fresh = try row(
            """
            SELECT id, next_block, 1 << (64 - block_length), next_block <= last,
                CASE WHEN delegated_length IS NULL THEN 1 ELSE 1 << (65 - delegated_length) END
            FROM prefix_pools p
            WHERE next_block <= last OR EXISTS (SELECT 1 FROM freed_prefix_blocks f WHERE f.pool = p.id)
            ORDER BY id LIMIT 1
            """
        ) { columns throws(StoreError) in
            (
                pool: try columns.id(0) as PrefixPool.ID, first: try columns.integer(1),
                size: try columns.integer(2), isUnused: try columns.flag(3), unit: try columns.integer(4)
            )
        }
        guard let fresh else {
            throw StoreError(
                code: .exhausted,
                message:
                    "no pool of IPv6 prefixes has a free block: add a pool, or release addresses of SIMs not in use")
        }
        var first = fresh.first
        if fresh.isUnused {
            try execute(
                "UPDATE prefix_pools SET next_block = ? WHERE id = ?", [(first + fresh.size).sql, fresh.pool.sql])
        } else {
            let freed = try row(
                """
                DELETE FROM freed_prefix_blocks
                WHERE seq = (SELECT seq FROM freed_prefix_blocks WHERE pool = ? ORDER BY seq LIMIT 1) RETURNING first
                """, [fresh.pool.sql]
            ) { columns throws(StoreError) in try columns.integer(0) }
            guard let freed else { throw .damaged("a freed block is gone") }
            first = freed
        }
        try execute(
            "INSERT INTO prefix_blocks (first, last, pool, tenant, unit, next) VALUES (?, ?, ?, ?, ?, ?)",
            [first.sql, (first + fresh.size - 1).sql, fresh.pool.sql, tenant.sql, fresh.unit.sql, first.sql])
    }
}

extension SessionPrefixes {
    /// The columns prefix and delegated_length.
    var sql: [SQLValue] { [network.sql, (delegated?.length).sql] }
}

extension Columns {
    /// Two columns from `index`.
    func optionalPrefixes(_ index: Int) throws(StoreError) -> SessionPrefixes? {
        guard let network = optionalInteger(index) else { return nil }
        let length: UInt8? = try optionalNumber(index + 1)
        guard length.map(PrefixPool.delegatedLengths.contains) != false else { throw damage(index + 1) }
        return SessionPrefixes(network: UInt64(bitPattern: network), delegatedLength: length)
    }

    func optionalNetwork(_ index: Int) -> IPv6Prefix? {
        optionalInteger(index).map { SessionPrefixes(network: UInt64(bitPattern: $0), delegatedLength: nil).link }
    }
}
