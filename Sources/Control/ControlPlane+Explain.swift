public import Domain
public import PolicyCompiler
import Store

extension ControlPlane {
    /// What the SIM's policy says about a packet now, or at another time, and why.
    public struct PolicyExplanation: Sendable {
        public let imsi: IMSI
        /// `nil`: no policy, so everything is blocked.
        public let policy: Policy?
        public let explanation: Explanation?
        /// The VPNs that the packet may take, in their order, and whether each is up.
        public let vpns: [(name: Name, isUp: Bool)]
        /// Of a packet to a name, the addresses that the policy's devices were told; of one to an address, its names.
        public var learned: [LearnedAddress] = []
        /// Of a packet to a name: why a device may not look that up; `nil` when it may.
        public var refusal: String?
        /// The VPN that stops the packet although the policy does not, and why.
        public var stopped: (vpn: Name, reason: String)?
    }

    public func explain(
        _ query: PacketQuery, sim imsi: IMSI, at time: Timestamp? = nil, by principal: Principal
    ) async throws(ControlError) -> PolicyExplanation {
        let (policy, groups, vpns, own) = try await read { store in
            let sim = try store.visibleSIM(imsi, to: principal)
            let policy = try store.effectivePolicy(of: sim.id).flatMap { try store.policy($0) }
            let own = try store.groups(of: sim.tenant).first { $0.id == sim.group }
            return (
                policy, try store.groups(at: query.destination, of: sim.tenant), try store.vpns(of: sim.tenant), own
            )
        }
        guard let policy else { return PolicyExplanation(imsi: imsi, policy: nil, explanation: nil, vpns: []) }
        let validated = try await compiled(policy, named: "\(policy.name).yaml").policy
        var situation = situation(at: time ?? now(), of: policy.mark)
        situation.groups = { $0 == query.destination ? groups : [] }
        let explanation = validated.explain(query, in: situation)
        var taken: [(name: Name, isUp: Bool)] = []
        if case .route(let routes) = explanation.decision.verdict {
            for case .vpn(let name) in routes {
                let number = vpns.first { $0.name == name }?.number
                taken.append((name, number.flatMap { vpnBook.state(of: $0)?.isUp } ?? false))
            }
        }
        var explained = PolicyExplanation(imsi: imsi, policy: policy, explanation: explanation, vpns: taken)
        if let vpn = Self.vpn(of: explained, query).flatMap({ name in vpns.first { $0.name == name } }) {
            let far: IPAddress? =
                if case .toDevice(let source, _) = query.direction { source } else {
                    query.name == nil ? query.destination : nil
                }
            explained.stopped = vpn.refusal(of: query, behind: far, group: own?.name, at: time ?? now()).map {
                (vpn.name, $0)
            }
        }
        guard query.direction == .fromDevice else { return explained }
        explained.learned = try await learned(of: policy, validated.rules) { fact in
            query.name.map { $0 == fact.name } ?? (query.destination == fact.address)
        }
        explained.refusal = query.name.flatMap { refusal(of: $0, for: policy) }
        return explained
    }

    /// The one that the packet goes through when it passes the policy.
    private static func vpn(of explained: PolicyExplanation, _ query: PacketQuery) -> Name? {
        guard explained.explanation?.decision.verdict != .block else { return nil }
        if case .toDevice(_, let via) = query.direction { return via }
        return (explained.vpns.first(where: \.isUp) ?? explained.vpns.first)?.name
    }

    /// The same for a packet that comes to the SIM's device through a VPN, to its address of this moment.
    public func explain(
        from source: IPAddress, through vpn: Name, protocol: UInt8, port: UInt16?, sim imsi: IMSI,
        at time: Timestamp? = nil, by principal: Principal
    ) async throws(ControlError) -> PolicyExplanation {
        let address = try await read { store in
            let sim = try store.visibleSIM(imsi, to: principal)
            let sessions = try store.activeSessions(of: sim.id)
            guard !sessions.isEmpty else {
                throw ControlError(.conflict, "SIM \(imsi) has no session, so nothing reaches its device")
            }
            let found: IPAddress? =
                switch source {
                case .v4: sessions.lazy.compactMap(\.ipv4).first.map { .v4($0) }
                case .v6: sessions.lazy.compactMap(\.prefixes).first.map { .v6($0.link.address) }
                }
            guard let found else {
                throw ControlError(.conflict, "SIM \(imsi) has no session of the family of \(source)")
            }
            return found
        }
        return try await explain(
            PacketQuery(
                destination: address, protocol: `protocol`, port: port,
                direction: .toDevice(source: source, via: vpn)),
            sim: imsi, at: time, by: principal)
    }
}
