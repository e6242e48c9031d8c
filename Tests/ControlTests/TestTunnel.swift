import Control
import Domain
import VICI

/// Tunnels as the book takes them, and what a daemon says of them.
enum TestTunnel {
    static func setup(
        _ number: UInt32, tenant: Int64 = 1, peer: String = "203.0.113.10", networks: [String] = ["10.0.0.0/24"],
        initiation: Tunnel.Initiation = .always, probe: String? = nil, partner: Tunnel.Partner? = nil,
        keys: [Int64] = [1], blocks: [String] = ["100.64.1.0/24"], lookedUp: [String] = [], isUnique: Bool = true
    ) throws -> TunnelBook.Setup {
        let tunnel = Tunnel(
            peer: try Tunnel.Peer(parsing: peer),
            networks: try networks.map { try Tunnel.RemoteNetwork(parsing: $0) },
            peerIdentity: try IKEIdentity(parsing: "peer\(number).example"), initiation: initiation,
            probe: try probe.map { try IPv4Address(parsing: $0) }, partner: partner)
        let id = VPN.ID(Int64(number))
        guard let place = VPNNumber(number) else { throw Missing() }
        let vpn = VPN(
            id: id, tenant: Tenant.ID(tenant), name: try Name(parsing: "vpn\(number)"), number: place,
            way: .tunnel(tunnel), createdAt: Timestamp(milliseconds: 0))
        let plan = try TunnelPlan(
            identifier: "vpn-\(number)", tunnel: tunnel, localAddresses: [],
            localIdentity: try IKEIdentity(parsing: "vpn\(number).gw.example"),
            peerIdentity: try IKEIdentity(parsing: "peer\(number).example"), isPeerIdentityUnique: isUnique,
            localBlocks: try blocks.map { try IPv4Prefix(parsing: $0) }, path: .userSpace,
            lookedUpAddresses: try lookedUp.map { try IPAddress(parsing: $0) })
        return TunnelBook.Setup(
            vpn: vpn, tunnel: tunnel, plan: plan, terms: TunnelTerms(plan),
            keys: keys.map {
                VPNKey(
                    id: VPNKey.ID($0), vpn: id, key: Secret(bytes: [UInt8(truncatingIfNeeded: $0)]),
                    createdAt: Timestamp(milliseconds: 0))
            }, gatewayAddress: plan.localBlocks.first?.first)
    }

    struct Missing: Error {}

    /// What the daemon's events say of a tunnel that comes up.
    static func up(_ number: UInt32, sa: UInt32 = 1) throws -> [TunnelEvent] {
        [
            .ikeUp(
                sa: sa, address: try IPAddress(parsing: "203.0.113.10"), port: 4500, identity: "peer\(number).example"),
            .childUp(sa: sa, name: "vpn-\(number)", local: ["100.64.1.0/24"], remote: ["10.0.0.0/24"]),
        ]
    }

    static func log(_ number: UInt32, sa: UInt32 = 1, _ text: String) -> TunnelEvent {
        .log(LogLine(group: "IKE", ikeName: "vpn-\(number)", ikeID: sa, text: text))
    }

    static func association(
        _ name: String, sa: UInt32, address: String = "203.0.113.10", child: String? = nil, local: [String] = [],
        remote: [String] = []
    ) throws -> IKEAssociation {
        var section = Message()
        section.append("uniqueid", "\(sa)")
        section.append("state", "ESTABLISHED")
        section.append("remote-host", address)
        section.append("remote-port", "4500")
        section.append("remote-id", "peer.example")
        if let child {
            var one = Message()
            one.append("name", child)
            one.append("uniqueid", "\(sa)")
            one.append("state", "INSTALLED")
            one.append("local-ts", list: local)
            one.append("remote-ts", list: remote)
            var children = Message()
            children.append("\(child)-\(sa)", section: one)
            section.append("child-sas", section: children)
        }
        return try IKEAssociation(name: name, section)
    }
}

extension TunnelBook {
    /// What is to be done, in words; loads succeed unless told otherwise.
    func told(at milliseconds: Int64, limit: Int = 64, taking: Bool = true) -> [String] {
        let time = Timestamp(milliseconds: milliseconds)
        return steps(at: time, limit: limit).map { step in
            switch step {
            case .load(let id, let revision, let setup, let keys):
                let names = keys.map(setup.name(of:))
                if taking { noteLoaded(id, revision: revision, setup, keys: names) }
                return "load vpn-\(id) with \(names.joined(separator: " "))"
            case .unload(let name, let keys, _): return "unload \(name) with \(keys.joined(separator: " "))"
            case .initiate(_, let name, _): return "initiate \(name)"
            }
        }
    }

    func set(_ setup: Setup, at milliseconds: Int64) { set(setup, at: Timestamp(milliseconds: milliseconds)) }

    func say(_ events: [TunnelEvent], of number: UInt32, at milliseconds: Int64) {
        for event in events { _ = apply(event, to: "vpn-\(number)", at: Timestamp(milliseconds: milliseconds)) }
    }

    func connect(at milliseconds: Int64) { connected(at: Timestamp(milliseconds: milliseconds)) }
    func judge(at milliseconds: Int64) { judgeAttempts(at: Timestamp(milliseconds: milliseconds)) }
    func isUp(_ number: UInt32) -> Bool { state(of: VPN.ID(Int64(number)))?.isEstablished ?? false }
    func condition(_ number: UInt32) -> Condition { condition(of: VPN.ID(Int64(number))) }
}
