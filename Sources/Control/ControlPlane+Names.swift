import DNS
public import Domain
import PolicyCompiler
import Store

/// What the resolver has told devices, what they have asked, and how a tenant wants that.
extension ControlPlane {
    /// That an address has a name for a policy's devices.
    public struct LearnedAddress: Hashable, Sendable {
        public let name: DomainName
        public let address: IPAddress
        /// Not shorter than a flow that uses it.
        public let until: Timestamp
        /// The SIM whose device was told first; `nil` when its session has ended, and after a start.
        public let imsi: IMSI?
        /// The rules that have the name, in their order.
        public let rules: [Name]
    }

    /// By name, then by address.
    public func learnedAddresses(
        of name: Name, _ tenant: Name, by principal: Principal
    ) async throws(ControlError) -> [LearnedAddress] {
        let policy = try await policy(name, of: tenant, by: principal)
        let rules = try await compiled(policy, named: "\(policy.name)").policy.rules
        return try await learned(of: policy, rules) { _ in true }
    }

    /// Those that are wanted.
    func learned(
        of policy: Policy, _ rules: [ValidatedPolicy.Rule], _ isWanted: (NameBook.Fact) -> Bool
    ) async throws(ControlError) -> [LearnedAddress] {
        guard let mark = policy.mark else { return [] }
        let facts = names.book.facts(of: mark).filter(isWanted)
        let (present, time) = (names.seconds, now())
        let sims = try await sims(at: facts.compactMap(\.device), of: policy.tenant)
        return facts.sorted { ($0.name, $0.address) < ($1.name, $1.address) }.map { fact in
            LearnedAddress(
                name: fact.name, address: fact.address,
                until: Timestamp(milliseconds: time.milliseconds + (fact.until - present) * 1000),
                imsi: fact.device.flatMap { sims[$0] },
                rules: rules.filter { $0.hosts.contains { $0.matches(fact.name) } }.map(\.name))
        }
    }

    /// Why a device of the policy may not look the name up, in a few words; `nil` when it may.
    func refusal(of name: DomainName, for policy: Policy) -> String? {
        guard let mark = policy.mark, case .refused(let reason) = names.verdict(on: WireName(name), for: mark) else {
            return nil
        }
        return reason.words
    }

    /// A name that devices have asked for and may not look up.
    public struct RefusedName: Hashable, Sendable {
        public let name: String
        public let policy: Name
        public let group: Name?
        /// In a few words.
        public let reason: String
        public let count: UInt64
        /// The SIM whose device asked last; `nil` when its session has ended.
        public let imsi: IMSI?
    }

    /// Most asked first, since the daemon started: 1024 of each group and policy are kept.
    public func refusedNames(
        of tenant: Name, limit: Int, by principal: Principal
    ) async throws(ControlError) -> [RefusedName] {
        let (owner, policies, groups) = try await read { store in
            let owner = try store.visibleTenant(tenant, to: principal)
            return (owner, try store.policies(of: owner.id), try store.groups(of: owner.id))
        }
        var names: [PolicyMark: Name] = [:]
        for policy in policies { if let mark = policy.mark { names[mark] = policy.name } }
        let known = names
        let seen = Array(self.names.queries.seen(of: Set(known.keys)).prefix(limit))
        let sims = try await sims(at: seen.map(\.device), of: owner.id)
        return seen.compactMap { seen in
            known[seen.policy].map { policy in
                RefusedName(
                    name: seen.name.description, policy: policy,
                    group: groups.first { GroupNumber(group: $0.id) == seen.group }?.name, reason: seen.reason.words,
                    count: seen.count, imsi: sims[seen.device])
            }
        }
    }

    private func sims(at addresses: [IPAddress], of tenant: Tenant.ID) async throws(ControlError) -> [IPAddress: IMSI] {
        try await read { store in
            var sims: [IPAddress: IMSI] = [:]
            for address in Set(addresses) {
                guard let session = try store.activeSession(address: address),
                    session.tenant == tenant
                else { continue }
                sims[address] = session.imsi
            }
            return sims
        }
    }

    /// How often a tenant's devices have asked, since the daemon started.
    public struct QueryCounters: Hashable, Sendable {
        public let questions: UInt64
        public let answered: UInt64
        public let refused: UInt64
        /// In monitor mode.
        public let wouldBeRefused: UInt64
        /// The name was allowed; something in the answer was not.
        public let refusedAnswers: UInt64
        public let failed: UInt64
        /// More than a device or a tenant may ask.
        public let limited: UInt64
    }

    public func tenantDNS(
        of tenant: Name, by principal: Principal
    ) async throws(ControlError) -> (settings: TenantDNS, counters: QueryCounters) {
        let (owner, settings) = try await read { store in
            let owner = try store.visibleTenant(tenant, to: principal).id
            return (owner, try store.dns(of: owner) ?? .standard)
        }
        let counters = names.queries.counters(of: owner)
        return (
            settings,
            QueryCounters(
                questions: counters.questions, answered: counters.answered, refused: counters.refused,
                wouldBeRefused: counters.wouldBeRefused, refusedAnswers: counters.refusedAnswers,
                failed: counters.failed, limited: counters.limited)
        )
    }

    /// - Throws: `.invalid` for an upstream that the tenant may not name: one of its own is behind a VPN of its own.
    public func setTenantDNS(
        _ settings: TenantDNS, of tenant: Name, by principal: Principal
    ) async throws(ControlError) {
        guard TenantDNS.samplings.contains(settings.sampling) else {
            throw ControlError(
                .invalid, "sampling is one question in \(settings.sampling): write a number from 1 to 1000000")
        }
        guard settings.upstreams.count <= TenantDNS.maximumUpstreams else {
            throw ControlError(
                .invalid, "\(settings.upstreams.count) upstreams; at most \(TenantDNS.maximumUpstreams) are allowed")
        }
        try await change {
            let now = self.now()
            try await self.store.write { store in
                let owner = try store.visibleTenant(tenant, to: principal)
                for upstream in settings.upstreams { try Self.check(upstream, of: owner.id, store, principal) }
                try store.putDNS(settings, of: owner.id)
                try store.appendAudit(
                    actor: principal.name, action: "dns.set", target: "\(tenant)",
                    detail: "log \(settings.log.rawValue), \(settings.upstreams.count) upstreams", at: now)
            }
            try await self.bringTenantDNS()
        }
    }

    private static func check(
        _ upstream: TenantDNS.Upstream, of tenant: Tenant.ID, _ store: any StoreReader, _ principal: Principal
    ) throws {
        guard let name = upstream.vpn else {
            guard principal.role == .operator else {
                throw ControlError(
                    .invalid, "\(upstream): name the VPN that it is behind, as in \(upstream) vpn:hq")
            }
            return
        }
        let vpn = try store.ownVPN(name, of: tenant)
        let isBehind =
            switch upstream.address {
            case .v4(let address): vpn.networks.contains { $0.contains(address) }
            case .v6(let address): vpn.networks6.contains { $0.contains(address) }
            }
        guard isBehind else {
            throw ControlError(
                .invalid,
                "\(upstream.address) is not behind VPN \(name): its networks are "
                    + (vpn.networks.map(\.description) + vpn.networks6.map(\.description)).joined(separator: ", "))
        }
    }

    /// Tells the resolver what the store has.
    func bringTenantDNS() async throws {
        let (all, vpns) = try await store.read { store in (try store.allDNS(), try store.allVPNs()) }
        var upstreams: [Tenant.ID: [Upstream]] = [:]
        for (tenant, settings) in all {
            names.queries.setLog(settings, of: tenant)
            upstreams[tenant] = settings.upstreams.compactMap { upstream in
                guard let name = upstream.vpn else { return Upstream(address: upstream.address, port: upstream.port) }
                // One that is gone leads nowhere.
                return vpns.first { $0.tenant == tenant && $0.name == name }.map { vpn in
                    Upstream(
                        address: upstream.address, port: upstream.port,
                        routeMark: dataPlane.routeMark(of: vpn.number), isPrivate: true)
                }
            }
        }
        names.setUpstreams(upstreams)
    }

    /// A question of a device, from the tenant's log.
    public struct LoggedQuery: Sendable {
        public let number: UInt64
        public let time: Timestamp
        public let device: IPAddress
        public let name: String
        /// The number of the record type.
        public let type: UInt16
        public let responseCode: UInt8
        /// In a few words.
        public let outcome: String
        public let microseconds: UInt32
    }

    /// Oldest first: those after a number, of the last 10,000.
    public func queryLog(
        of tenant: Name, after number: UInt64, limit: Int, by principal: Principal
    ) async throws(ControlError) -> [LoggedQuery] {
        let owner = try await read { store in try store.visibleTenant(tenant, to: principal).id }
        return names.queries.log(of: owner, after: number, limit: limit).map { entry in
            LoggedQuery(
                number: entry.number, time: entry.time, device: entry.record.device,
                name: entry.record.name.description, type: entry.record.type,
                responseCode: entry.record.responseCode,
                outcome: entry.record.outcome.words
                    + (entry.wouldBeRefused.map { ", would be refused: \($0.words)" } ?? ""),
                microseconds: entry.record.microseconds)
        }
    }
}
