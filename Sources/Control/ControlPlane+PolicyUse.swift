public import Domain
public import PolicyCompiler
import Store

/// What policies' rules are used for.
extension ControlPlane {
    /// What a rule has decided on since its version came into force.
    public struct RuleUse: Hashable, Sendable {
        /// `nil`: the default, for packets that no rule matches.
        public let rule: Name?
        /// First packets of flows that pass; every packet that is blocked.
        public let hits: RuleHits
        /// `nil`: none since the daemon started. Looked at in turn, so some seconds late where there are thousands of
        /// policies.
        public let lastHit: Timestamp?
    }

    /// In the order of the document.
    public func policyUse(
        _ name: Name, of tenant: Name, by principal: Principal
    ) async throws(ControlError) -> (policy: Policy, rules: [RuleUse]) {
        let policy = try await policy(name, of: tenant, by: principal)
        guard let mark = policy.mark else { return (policy, []) }
        let hits = try await Self.translating { try self.dataPlane.hits(of: mark) }
        let seen = hitBook.note(hits, of: mark, at: now())
        let rules = try await compiled(policy, named: "\(policy.name)").policy.rules.map(\.name)
        // A version that came into force in between has other rules.
        guard hits.count == rules.count + 1 else { return (policy, []) }
        return (
            policy,
            hits.enumerated().map { index, hits in
                RuleUse(
                    rule: index < rules.count ? rules[index] : nil, hits: hits,
                    lastHit: index < seen.count ? seen[index] : nil)
            }
        )
    }

    /// Where devices sent packets that a rule with `log` or, in monitor mode, a rule that would block has decided on.
    public struct NotedPackets: Hashable, Sendable {
        public let device: IPAddress
        /// `nil` when the session has ended.
        public let imsi: IMSI?
        public let destination: IPAddress
        public let `protocol`: UInt8
        public let port: UInt16?
        public let rule: Name?
        /// Whether they pass only because the policy is in monitor mode.
        public let wouldBlock: Bool
        public let hits: RuleHits
    }

    /// Most packets first. The gateway keeps each for an hour after the last packet, and 65,536 of all tenants together.
    public func notedPackets(
        _ name: Name, of tenant: Name, limit: Int, by principal: Principal
    ) async throws(ControlError) -> [NotedPackets] {
        let policy = try await policy(name, of: tenant, by: principal)
        guard let mark = policy.mark else { return [] }
        let found = try await Self.translating {
            try self.dataPlane.observations().filter { $0.policy == mark }
                .sorted { ($0.hits.packets, $1.device, $1.destination) > ($1.hits.packets, $0.device, $0.destination) }
                .prefix(limit)
        }
        let validated = try await compiled(policy, named: "\(policy.name)").policy
        let sims = try await read { store in
            let owner = policy.tenant
            var sims: [IPAddress: IMSI] = [:]
            for address in Set(found.map(\.device)) {
                guard let session = try store.activeSession(address: address),
                    session.tenant == owner
                else { continue }
                sims[address] = session.imsi
            }
            return sims
        }
        return found.map { observation in
            let rule = observation.rule < validated.rules.count ? validated.rules[observation.rule] : nil
            return NotedPackets(
                device: observation.device, imsi: sims[observation.device], destination: observation.destination,
                protocol: observation.protocol, port: observation.port, rule: rule?.name,
                wouldBlock: validated.mode == .monitor && (rule?.action ?? .block) == .block, hits: observation.hits)
        }
    }
}
