import Domain
import GRDB

extension SQLiteReading {
    func leases(of sim: SIM.ID) throws(StoreError) -> [AddressLease] {
        try rows("SELECT apn, address, nat_index FROM leases WHERE sim = ? ORDER BY apn", [sim.sql]) {
            columns throws(StoreError) in
            AddressLease(
                sim: sim, apn: try columns.apn(0), address: try columns.address(1), natIndex: try columns.integer(2))
        }
    }

    func lease(of sim: SIM.ID, on apn: APN) throws(StoreError) -> AddressLease? {
        try row("SELECT address, nat_index FROM leases WHERE sim = ? AND apn = ?", [sim.sql, apn.sql]) {
            columns throws(StoreError) in
            AddressLease(sim: sim, apn: apn, address: try columns.address(0), natIndex: try columns.integer(1))
        }
    }

    func pools() throws(StoreError) -> [AddressPoolUsage] {
        try settle()
        return try rows(
            """
            SELECT p.id, p.first, p.length, p.block_length, count(b.first), coalesce(sum(b.leased), 0)
            FROM pools p LEFT JOIN blocks b ON b.pool = p.id GROUP BY p.id ORDER BY p.id
            """
        ) { columns throws(StoreError) in
            let prefix = IPv4Prefix(containing: try columns.address(1), length: try columns.number(2))
            return AddressPoolUsage(
                pool: AddressPool(id: try columns.id(0), prefix: prefix, blockLength: try columns.number(3)),
                blocksGiven: try columns.number(4), addressesLeased: try columns.number(5))
        }
    }

    func blocks(of tenant: Tenant.ID) throws(StoreError) -> [IPv4Prefix] {
        try rows(
            """
            SELECT b.first, p.block_length FROM blocks b CROSS JOIN pools p ON p.id = b.pool
            WHERE b.tenant = ? ORDER BY b.first
            """, [tenant.sql]
        ) { columns throws(StoreError) in
            IPv4Prefix(containing: try columns.address(0), length: try columns.number(1))
        }
    }
}

extension SQLiteTransaction {
    func insertPool(prefix: IPv4Prefix, blockLength: UInt8) throws(StoreError) -> AddressPool {
        guard prefix.length <= 30, (prefix.length...30).contains(blockLength) else {
            throw .conflict(
                "blocks of \(prefix) cannot have length \(blockLength): give one from \(prefix.length) to 30, and a "
                    + "pool of length 30 at most")
        }
        let id = try insert(
            "INSERT INTO pools (first, length, block_length, last, next_block) VALUES (?, ?, ?, ?, ?)",
            [prefix.first.sql, prefix.length.sql, blockLength.sql, prefix.last.sql, prefix.first.sql]
        ) { violation in
            violation.concerns("pools overlap") ? .conflict("\(prefix) overlaps another pool: give another") : nil
        }
        return AddressPool(id: AddressPool.ID(id), prefix: prefix, blockLength: blockLength)
    }

    func deletePool(_ id: AddressPool.ID) throws(StoreError) {
        try change("DELETE FROM pools WHERE id = ?", [id.sql], missing: "there is no such pool") {
            $0.isForeignKey ? .conflict("tenants have blocks of the pool: delete those tenants first") : nil
        }
    }

    func ensureBlock(of tenant: Tenant.ID) throws(StoreError) {
        guard try !exists("SELECT 1 FROM blocks WHERE tenant = ?", [tenant.sql]) else { return }
        try addBlock(of: tenant)
    }

    func addBlock(of tenant: Tenant.ID) throws(StoreError) {
        guard try exists("SELECT 1 FROM tenants WHERE id = ?", [tenant.sql]) else {
            throw .notFound("there is no such tenant")
        }
        try giveBlock(to: tenant)
    }

    func takeLease(sim: SIM.ID, tenant: Tenant.ID, apn: APN) throws(StoreError) -> AddressLease {
        if let lease = try lease(of: sim, on: apn) { return lease }
        let address = try takeAddress(for: sim, of: tenant)
        let (natIndex, isFreed) = try freeNATIndex()
        try execute(
            "INSERT INTO leases (address, tenant, sim, apn, nat_index) VALUES (?, ?, ?, ?, ?)",
            [address.sql, tenant.sql, sim.sql, apn.sql, natIndex.sql]
        ) { $0.isForeignKey ? .notFound(Self.noSIM) : nil }
        if !freeAddresses.take(address, of: tenant) {
            let isCounted = try execute(
                """
                UPDATE blocks SET leased = leased + 1
                WHERE first = (SELECT max(first) FROM blocks WHERE first < ?) AND tenant = ? AND last > ?
                """, [address.sql, tenant.sql, address.sql])
            guard isCounted == 1 else { throw .damaged("an address that was freed is in no block of its tenant") }
        }
        // Not before the lease, which may be refused.
        if isFreed { try execute("DELETE FROM freed_nat_indexes WHERE nat_index = ?", [natIndex.sql]) }
        if freeAddresses.natIndex == natIndex { freeAddresses.natIndex = natIndex + 1 }
        return AddressLease(sim: sim, apn: apn, address: address, natIndex: natIndex)
    }

    func releaseLeases(of sim: SIM.ID) throws(StoreError) {
        try settleAddresses()
        try execute("DELETE FROM leases WHERE sim = ?", [sim.sql]) {
            $0.isForeignKey ? .conflict("the SIM has an active session: end it first") : nil
        }
        // No session without an address is active.
        try execute("DELETE FROM prefix_leases WHERE sim = ?", [sim.sql])
    }

    /// An address of the tenant's that was never used, else the one released longest ago, else the first of a new
    /// block: an address comes to another device as late as the tenant's blocks allow. One that was never used is taken with
    /// its lease.
    private func takeAddress(for sim: SIM.ID, of tenant: Tenant.ID) throws(StoreError) -> IPv4Address {
        if let address = try unusedAddress(of: tenant) { return address }
        // The steps below take what they find, and must not fail half-way.
        guard try exists("SELECT 1 FROM sims WHERE id = ? AND tenant = ?", [sim.sql, tenant.sql]) else {
            throw .notFound(Self.noSIM)
        }
        let freed = try row(
            """
            DELETE FROM freed_addresses
            WHERE seq = (SELECT seq FROM freed_addresses WHERE tenant = ? ORDER BY seq LIMIT 1) RETURNING address
            """, [tenant.sql]
        ) { columns throws(StoreError) in try columns.address(0) }
        if let freed { return freed }
        try giveBlock(to: tenant)
        guard let address = try unusedAddress(of: tenant) else {
            throw .damaged("a new block has no free address")
        }
        return address
    }

    private func unusedAddress(of tenant: Tenant.ID) throws(StoreError) -> IPv4Address? {
        if let known = freeAddresses.unused(of: tenant) { return known }
        try settleAddresses()
        let block = try row(
            "SELECT first, next, last FROM blocks WHERE tenant = ? AND next < last ORDER BY first LIMIT 1", [tenant.sql]
        ) { columns throws(StoreError) in
            let (next, last) = (try columns.address(1), try columns.address(2))
            return FreeAddresses.Block(first: try columns.integer(0), unused: next.bits..<max(next.bits, last.bits))
        }
        guard let block else { return nil }
        freeAddresses.note(block, of: tenant)
        return block.unused.first.map(IPv4Address.init(bits:))
    }

    /// Writes what was taken of blocks: many leases of a batch are of one. Nothing is known of them any more then.
    func settleAddresses() throws(StoreError) {
        for block in freeAddresses.blocks.values where block.taken > 0 {
            try execute(
                "UPDATE blocks SET next = ?, leased = leased + ? WHERE first = ?",
                [block.unused.lowerBound.sql, Int64(block.taken).sql, block.first.sql])
        }
        freeAddresses.forget()
    }

    /// Gives the tenant a block of the first pool with room: one never used, else the one freed longest ago.
    private func giveBlock(to tenant: Tenant.ID) throws(StoreError) {
        try settleAddresses()
        let fresh = try row(
            """
            SELECT id, next_block, 1 << (32 - block_length), next_block <= last FROM pools p
            WHERE next_block <= last OR EXISTS (SELECT 1 FROM freed_blocks f WHERE f.pool = p.id)
            ORDER BY id LIMIT 1
            """
        ) { columns throws(StoreError) in
            (
                pool: try columns.id(0) as AddressPool.ID, first: try columns.integer(1),
                size: try columns.integer(2), isUnused: try columns.flag(3)
            )
        }
        guard let fresh else {
            throw StoreError(
                code: .exhausted,
                message: "no address pool has a free block: add a pool, or release addresses of SIMs not in use")
        }
        var first = fresh.first
        if fresh.isUnused {
            try execute("UPDATE pools SET next_block = ? WHERE id = ?", [(first + fresh.size).sql, fresh.pool.sql])
        } else {
            let freed = try row(
                """
                DELETE FROM freed_blocks
                WHERE seq = (SELECT seq FROM freed_blocks WHERE pool = ? ORDER BY seq LIMIT 1) RETURNING first
                """, [fresh.pool.sql]
            ) { columns throws(StoreError) in try columns.integer(0) }
            guard let freed else { throw .damaged("a freed block is gone") }
            first = freed
        }
        try execute(
            "INSERT INTO blocks (first, last, pool, tenant, next) VALUES (?, ?, ?, ?, ?)",
            [first.sql, (first + fresh.size - 1).sql, fresh.pool.sql, tenant.sql, (first + 1).sql])
    }

    /// The smallest freed number, so that numbers stay dense and public addresses are not wasted, else the next: with
    /// none freed, the numbers in use are those from zero to the largest.
    private func freeNATIndex() throws(StoreError) -> (index: Int64, isFreed: Bool) {
        if let known = freeAddresses.natIndex { return (known, false) }
        let (freed, next) =
            try row(
                "SELECT (SELECT min(nat_index) FROM freed_nat_indexes), (SELECT max(nat_index) + 1 FROM leases)"
            ) { ($0.optionalInteger(0), $0.optionalInteger(1)) } ?? (nil, nil)
        guard let freed else {
            freeAddresses.natIndex = next ?? 0
            return (next ?? 0, false)
        }
        return (freed, true)
    }
}

/// What a transaction has seen of the addresses and numbers that are free, so that an attach need not look again, and what it
/// has taken of blocks and not written yet. A transaction is one thread's.
final class FreeAddresses {
    struct Block {
        let first: Int64
        /// Never taken.
        var unused: Range<UInt32>
        /// Taken and not written.
        var taken = 0
    }

    private(set) var blocks: [Tenant.ID: Block] = [:]
    /// The number behind all that are in use, when none below is free.
    var natIndex: Int64?

    /// The next in a block of the tenant's that nobody has had.
    func unused(of tenant: Tenant.ID) -> IPv4Address? { blocks[tenant]?.unused.first.map(IPv4Address.init(bits:)) }

    func note(_ block: Block, of tenant: Tenant.ID) { blocks[tenant] = block }

    /// - Returns: whether it is counted here.
    func take(_ address: IPv4Address, of tenant: Tenant.ID) -> Bool {
        guard blocks[tenant]?.unused.first == address.bits else { return false }
        blocks[tenant]?.unused.removeFirst()
        blocks[tenant]?.taken += 1
        return true
    }

    func forget() { (blocks, natIndex) = ([:], nil) }
}
