import Domain
import Store
import TestSupport
import Testing

/// How addresses are given, in the plainest way: lists, searched from the start.
struct AddressModel {
    struct Pool {
        let prefix: IPv4Prefix
        let blockLength: UInt8
        var unused: [IPv4Prefix]
        /// Blocks freed together have no order among them.
        var freed: [Set<IPv4Prefix>] = []
    }
    struct Key: Hashable {
        let sim: SIM.ID
        let apn: APN
    }

    var pools: [Pool] = []
    var blocks: [Tenant.ID: [IPv4Prefix]] = [:]
    var unused: [Tenant.ID: Set<IPv4Address>] = [:]
    var freed: [Tenant.ID: [Set<IPv4Address>]] = [:]
    var leases: [Key: AddressLease] = [:]
    var mostLeases = 0

    init(pools: [(IPv4Prefix, UInt8)]) {
        self.pools = pools.map { prefix, length in
            let size = UInt32(1) << UInt32(32 - length)
            let count = UInt32(1) << UInt32(length - prefix.length)
            let all = (0..<count).map {
                IPv4Prefix(containing: IPv4Address(bits: prefix.first.bits + $0 * size), length: length)
            }
            return Pool(prefix: prefix, blockLength: length, unused: all)
        }
    }

    /// The addresses that the tenant's next new lease may have; none when exhausted.
    func candidates(_ tenant: Tenant.ID) -> Set<IPv4Address> {
        if let least = unused[tenant]?.min() { return [least] }
        if let oldest = freed[tenant]?.first { return oldest }
        guard let pool = pools.first(where: { !$0.unused.isEmpty || !$0.freed.isEmpty }) else { return [] }
        let blocks = pool.unused.first.map { [$0] } ?? pool.freed[0]
        return Set(blocks.map { IPv4Address(bits: $0.first.bits + 1) })
    }

    mutating func take(_ key: Key, _ lease: AddressLease, _ tenant: Tenant.ID) {
        if unused[tenant]?.remove(lease.address) == nil, !Self.remove(lease.address, from: &freed[tenant, default: []]),
            let index = pools.firstIndex(where: { $0.prefix.contains(lease.address) })
        {
            let block = IPv4Prefix(containing: lease.address, length: pools[index].blockLength)
            pools[index].unused.removeAll { $0 == block }
            _ = Self.remove(block, from: &pools[index].freed)
            blocks[tenant, default: []].append(block)
            let inner = (block.first.bits + 1)..<block.last.bits
            unused[tenant, default: []].formUnion(inner.map(IPv4Address.init(bits:)))
            unused[tenant]?.remove(lease.address)
        }
        leases[key] = lease
    }

    mutating func release(_ sim: SIM.ID, of tenant: Tenant.ID) {
        let released = leases.filter { $0.key.sim == sim }
        for key in released.keys { leases[key] = nil }
        if !released.isEmpty { freed[tenant, default: []].append(Set(released.values.map(\.address))) }
    }

    mutating func delete(_ tenant: Tenant.ID) {
        for index in pools.indices {
            let returned = (blocks[tenant] ?? []).filter { pools[index].prefix.contains($0) }
            if !returned.isEmpty { pools[index].freed.append(Set(returned)) }
        }
        blocks[tenant] = nil
        unused[tenant] = nil
        freed[tenant] = nil
    }

    private static func remove<Value>(_ value: Value, from groups: inout [Set<Value>]) -> Bool {
        guard let index = groups.firstIndex(where: { $0.contains(value) }) else { return false }
        groups[index].remove(value)
        if groups[index].isEmpty { groups.remove(at: index) }
        return true
    }

    private struct Undone: Error {}

    /// Makes `steps` random changes to both and compares what they say, now and then: a transaction puts some of it off.
    static func compare(with store: any StoreTransaction, seed: UInt64, steps: Int) throws {
        var random = Generator(seed: seed)
        let pools: [(IPv4Prefix, UInt8)] = [
            (try .test("10.0.0.0/28"), 30), (try .test("10.0.1.0/29"), 29), (try .test("10.0.2.0/28"), 29),
        ]
        var model = AddressModel(pools: pools)
        for (prefix, length) in pools { _ = try store.insertPool(prefix: prefix, blockLength: length) }
        var tenants: [Tenant] = []
        var sims: [SIM] = []
        let apns = [try APN.test("a"), try APN.test("b")]

        for step in 0..<steps {
            let place: Comment = "seed \(seed), step \(step)"
            switch UInt.random(in: 0..<22, using: &random) {
            case 0:
                tenants.append(try store.insertTenant(name: .test("t\(step)"), at: noon))
            case 1...5:
                guard let tenant = tenants.randomElement(using: &random) else { continue }
                sims.append(try store.insertSIM(.test(step + 1), of: tenant.id, at: noon))
            case 6...14:
                guard let sim = sims.randomElement(using: &random), let apn = apns.randomElement(using: &random) else {
                    continue
                }
                try model.take(sim, apn, store, place)
            case 15...17:
                guard let sim = sims.randomElement(using: &random) else { continue }
                try store.releaseLeases(of: sim.id)
                model.release(sim.id, of: sim.tenant)
            case 18:
                guard let index = sims.indices.randomElement(using: &random) else { continue }
                let sim = sims.remove(at: index)
                try store.deleteSIM(sim.id)
                model.release(sim.id, of: sim.tenant)
            case 19:
                try undo(sims.randomElement(using: &random), apns[0], store)
            case 20:
                try undo(sims.randomElement(using: &random), apns[1], store)
            default:
                guard tenants.count > 2, let index = tenants.indices.randomElement(using: &random) else { continue }
                let tenant = tenants.remove(at: index)
                for sim in sims where sim.tenant == tenant.id {
                    try store.deleteSIM(sim.id)
                    model.release(sim.id, of: tenant.id)
                }
                sims.removeAll { $0.tenant == tenant.id }
                try store.deleteTenant(tenant.id)
                model.delete(tenant.id)
            }
            if step == steps - 1 || random.oneIn(6) { try model.check(store, tenants, sims, place) }
        }
        // A run that never filled the pools has not tried much.
        #expect(model.mostLeases >= 6, "seed \(seed)")
    }

    /// Takes, and takes it back.
    private static func undo(_ sim: SIM?, _ apn: APN, _ store: any StoreTransaction) throws {
        guard let sim else { return }
        do {
            try store.savepoint {
                _ = try store.takeLease(sim: sim.id, tenant: sim.tenant, apn: apn)
                throw Undone()
            }
        } catch is Undone {
        } catch let error as StoreError where error.code == .exhausted {}
    }

    private mutating func take(_ sim: SIM, _ apn: APN, _ store: any StoreTransaction, _ place: Comment) throws {
        let key = Key(sim: sim.id, apn: apn)
        let candidates = candidates(sim.tenant)
        let lease: AddressLease
        do throws(StoreError) {
            lease = try store.takeLease(sim: sim.id, tenant: sim.tenant, apn: apn)
        } catch {
            guard error.code == .exhausted else { throw error }
            #expect(candidates.isEmpty && leases[key] == nil, place)
            return
        }
        if let known = leases[key] {
            #expect(lease == known, place)
        } else {
            #expect(candidates.contains(lease.address), place)
            let used = Set(leases.values.map(\.natIndex))
            // Freed numbers are always smaller than the largest used, so the smallest unused is the one to give.
            #expect(lease.natIndex == (0...Int64(leases.count)).first { !used.contains($0) }, place)
            take(key, lease, sim.tenant)
        }
        mostLeases = max(mostLeases, leases.count)
    }

    private func check(_ store: any StoreTransaction, _ tenants: [Tenant], _ sims: [SIM], _ place: Comment) throws {
        let stored = try sims.flatMap { try store.leases(of: $0.id) }
        #expect(Set(stored) == Set(leases.values), place)
        #expect(Set(stored.map(\.address)).count == stored.count, place)
        for tenant in tenants {
            #expect(try Set(store.blocks(of: tenant.id)) == Set(blocks[tenant.id] ?? []), place)
        }
        let usage = try store.pools()
        #expect(usage.reduce(0) { $0 + $1.addressesLeased } == UInt64(leases.count), place)
        #expect(usage.reduce(0) { $0 + $1.blocksGiven } == UInt64(blocks.values.reduce(0) { $0 + $1.count }), place)
    }
}
