import Control
import Domain
import FoundationEssentials
import Hummingbird
import PKI
import PeerGuides
import PolicyCompiler

extension RouteTable {
    func addVPNs() {
        post("/v1/tenants/{tenant}/vpns") { call in
            let isDry = try call.query("dry_run").flag("dry_run", default: false)
            let body = try await call.json(NewVPNBody.self)
            let tenant = try call.path("tenant", as: Name.self)
            switch try body.way() {
            case .line(let line):
                guard body.key == nil else { throw ControlError.wrong("key", "a line has none") }
                guard !isDry else { throw ControlError.wrong("dry_run", "a line is not checked before it is made") }
                let vpn = try await call.control.createVPN(body.name.value, of: tenant, line: line, by: call.principal)
                return .created(HandoverAnswer(vpn), at: ["tenants", "\(tenant)", "vpns", "\(body.name.value)"])
            case .tunnel(let tunnel):
                guard !isDry else {
                    return .json(
                        PreflightAnswer(
                            try await call.control.checkTunnel(
                                body.name.value, of: tenant, tunnel, by: call.principal)))
                }
                let made = try await call.control.createTunnel(
                    body.name.value, of: tenant, tunnel, request: try body.settings.request(),
                    key: body.key?.value, by: call.principal)
                return .created(HandoverAnswer(made), at: ["tenants", "\(tenant)", "vpns", "\(body.name.value)"])
            }
        }
        get("/v1/tenants/{tenant}/vpns") { call in
            _ = try call.query()
            let vpns = try await call.control.vpns(of: try call.path("tenant"), by: call.principal)
            return .json(Page(items: vpns.map(VPNAnswer.init)))
        }
        get("/v1/tenants/{tenant}/vpns/{vpn}") { call in
            .json(
                VPNAnswer(
                    try await call.control.vpn(try call.path("vpn"), of: try call.path("tenant"), by: call.principal)))
        }
        patch("/v1/tenants/{tenant}/vpns/{vpn}") { call in
            let body = try await call.json(TunnelSettingsBody.self)
            guard body.certificateRequest == nil else {
                throw ControlError.wrong("certificate_request", "is taken with a VPN that is made: make it anew")
            }
            let made = try await call.control.updateTunnel(
                try call.path("vpn"), of: try call.path("tenant"), by: call.principal
            ) { before throws(ControlError) in try body.tunnel(changing: before) }
            return .json(HandoverAnswer(made))
        }
        delete("/v1/tenants/{tenant}/vpns/{vpn}") { call in
            try await call.control.deleteVPN(
                try call.path("vpn"), of: try call.path("tenant"), by: call.principal)
            return .noContent
        }
        post("/v1/tenants/{tenant}/vpns/{vpn}/rotate-key") { call in
            let body = try await call.json(RotationBody.self)
            let seconds = body.overlapSeconds?.value ?? 86_400
            let made = try await call.control.rotateKey(
                of: try call.path("vpn"), of: try call.path("tenant"), overlap: .seconds(Int64(seconds)),
                by: call.principal)
            return .json(HandoverAnswer(made))
        }
        post("/v1/tenants/{tenant}/vpns/{vpn}/restart") { call in
            try await call.control.restartTunnel(
                try call.path("vpn"), of: try call.path("tenant"), by: call.principal)
            return .noContent
        }
        get("/v1/tenants/{tenant}/vpns/{vpn}/diagnosis") { call in
            _ = try call.query()
            return .json(
                DiagnosisAnswer(
                    try await call.control.diagnoseTunnel(
                        try call.path("vpn"), of: try call.path("tenant"), by: call.principal)))
        }
        get("/v1/tenants/{tenant}/vpns/{vpn}/peer-config") { call in
            let vendor = try call.query("for").required("for", as: PeerVendor.self)
            // The key is put in by who has it, at its own end.
            let (configuration, steps) = try await call.control.peerConfiguration(
                of: try call.path("vpn"), try call.path("tenant"), for: vendor, key: nil, by: call.principal)
            return .json(PeerConfigurationAnswer(configuration, steps))
        }
        addVPNAuthorities()
        put("/v1/tenants/{tenant}/vpn-limit") { call in
            let body = try await call.json(VPNLimitBody.self)
            try await call.control.setVPNLimit(
                body.vpns?.value, of: try call.path("tenant"), by: call.principal)
            return .noContent
        }
    }

    private func addVPNAuthorities() {
        get("/v1/tenants/{tenant}/vpn-authorities") { call in
            _ = try call.query()
            let authorities = try await call.control.authorities(of: try call.path("tenant"), by: call.principal)
            return .json(Page(items: authorities.map(AuthorityAnswer.init)))
        }
        put("/v1/tenants/{tenant}/vpn-authorities") { call in
            let octets = try await call.bytes(
                limit: AuthorityBundle.maximumOctets,
                types: ["application/pem-certificate-chain", "application/pkix-cert"])
            do {
                let now = call.control.now()
                try await call.control.setAuthorities(
                    try AuthorityBundle(parsing: octets, at: now), of: try call.path("tenant"), by: call.principal)
            } catch let error as CertificateError {
                throw ControlError(.invalid, "\(error)")
            }
            return .noContent
        }
        post("/v1/tenants/{tenant}/vpn-authorities/rotate") { call in
            let body = try await call.json(RotationBody.self)
            let seconds = body.overlapSeconds?.value ?? RotationBody.authorityOverlap
            return .json(
                AuthorityAnswer(
                    try await call.control.rotateAuthority(
                        of: try call.path("tenant"), overlap: .seconds(Int64(seconds)), by: call.principal)))
        }
        delete("/v1/tenants/{tenant}/vpn-authorities") { call in
            try await call.control.setAuthorities(nil, of: try call.path("tenant"), by: call.principal)
            return .noContent
        }
    }
}

// MARK: - What is sent

/// A line of the operator's has an interface, a tunnel a peer.
struct NewVPNBody: RequestBody {
    let name: Text<Name>
    /// Of the gateway's host.
    let interface: Text<InterfaceName>?
    /// Prefixes of either family, behind it.
    let networks: [Text<ListItem>]?
    let nextHop: Text<IPv4Address>?
    let nextHop6: Text<IPv6Address>?
    /// What the other end has already; left out: one is made.
    let key: Text<PeerSharedKey>?
    let settings: TunnelSettingsBody

    enum CodingKeys: String, CodingKey, CaseIterable {
        case name, interface, networks, key
        case nextHop = "next_hop"
        case nextHop6 = "next_hop6"
        case peer, profile, auth, initiate, probe, partner
        case remoteNetworks = "remote_networks"
        case localNetwork = "local_network"
        case peerID = "peer_id"
        case gatewayID = "gateway_id"
        case forceEncapsulation = "force_encapsulation"
        case pairSelectors = "pair_selectors"
        case certificateRequest = "certificate_request"
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        name = try container.decode(Text<Name>.self, forKey: .name)
        interface = try container.decodeIfPresent(Text<InterfaceName>.self, forKey: .interface)
        networks = try container.decodeIfPresent([Text<ListItem>].self, forKey: .networks)
        nextHop = try container.decodeIfPresent(Text<IPv4Address>.self, forKey: .nextHop)
        nextHop6 = try container.decodeIfPresent(Text<IPv6Address>.self, forKey: .nextHop6)
        key = try container.decodeIfPresent(Text<PeerSharedKey>.self, forKey: .key)
        settings = try TunnelSettingsBody(from: decoder)
    }

    func way() throws(ControlError) -> VPN.Way {
        switch (interface, settings.peer) {
        case (let interface?, nil):
            guard settings.isEmpty else {
                throw .wrong("interface", "a line has no peer's settings: write its networks as networks")
            }
            return .line(try line(interface.value))
        case (nil, _?):
            guard networks == nil, nextHop == nil, nextHop6 == nil else {
                throw .wrong("networks", "a tunnel's are written as remote_networks")
            }
            return .tunnel(try settings.tunnel())
        case (nil, nil): throw .wrong("peer", "is missing: where the other end is")
        case (_?, _?): throw .wrong("interface", "a VPN has a peer, or is a line of the operator's with an interface")
        }
    }

    private func line(_ interface: InterfaceName) throws(ControlError) -> VPN.Line {
        guard let items = self.networks else { throw .wrong("networks", "is missing") }
        var (networks, networks6): ([IPv4Prefix], [IPv6Prefix]) = ([], [])
        for network in items {
            switch network.value {
            case .ipv4(let prefix): networks.append(prefix)
            case .ipv6(let prefix): networks6.append(prefix)
            case .host(let pattern): throw .wrong("networks", "\"\(pattern)\" is a name: write prefixes")
            }
        }
        return VPN.Line(
            interface: interface, nextHop: nextHop?.value, nextHop6: nextHop6?.value, networks: networks,
            networks6: networks6)
    }
}

/// What can be said of a tunnel, and changed; what is left out stays, or is as usual.
struct TunnelSettingsBody: RequestBody, Sendable {
    let peer: Text<Tunnel.Peer>?
    let remoteNetworks: [Text<Tunnel.RemoteNetwork>]?
    let localNetwork: Text<Tunnel.Devices>?
    let profile: Text<Tunnel.Profile>?
    let auth: Text<Tunnel.Authentication>?
    /// Empty text: what follows from the peer.
    let peerID: Text<OptionalText<IKEIdentity>>?
    let gatewayID: Text<Tunnel.GatewayIdentity>?
    let initiate: Text<Tunnel.Initiation>?
    let forceEncapsulation: Bool?
    let pairSelectors: Bool?
    /// Empty text: none.
    let probe: Text<OptionalText<IPv4Address>>?
    let partner: PartnerBody?
    /// PKCS #10 in PEM.
    let certificateRequest: String?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case peer, profile, auth, initiate, probe, partner
        case remoteNetworks = "remote_networks"
        case localNetwork = "local_network"
        case peerID = "peer_id"
        case gatewayID = "gateway_id"
        case forceEncapsulation = "force_encapsulation"
        case pairSelectors = "pair_selectors"
        case certificateRequest = "certificate_request"
    }

    var isEmpty: Bool {
        peer == nil && remoteNetworks == nil && localNetwork == nil && profile == nil && auth == nil && peerID == nil
            && gatewayID == nil && initiate == nil && forceEncapsulation == nil && pairSelectors == nil && probe == nil
            && partner == nil && certificateRequest == nil
    }

    func tunnel() throws(ControlError) -> Tunnel {
        guard let peer else { throw .wrong("peer", "is missing: where the other end is") }
        guard let remoteNetworks else { throw .wrong("remote_networks", "is missing: what is behind the peer") }
        let usual: Tunnel.Initiation = peer.value == .anywhere ? .never : .always
        return Tunnel(
            peer: peer.value, networks: remoteNetworks.map(\.value), devices: localNetwork?.value ?? .all,
            profile: profile?.value ?? .standard, authentication: auth?.value ?? .sharedKey,
            peerIdentity: peerID?.value.value, gatewayIdentity: gatewayID?.value ?? .name,
            initiation: initiate?.value ?? usual, forcesEncapsulation: forceEncapsulation ?? false,
            pairsSelectors: pairSelectors ?? false, probe: probe?.value.value, partner: try partner?.partner())
    }

    func tunnel(changing before: Tunnel) throws(ControlError) -> Tunnel {
        Tunnel(
            peer: peer?.value ?? before.peer, networks: remoteNetworks?.map(\.value) ?? before.networks,
            devices: localNetwork?.value ?? before.devices, profile: profile?.value ?? before.profile,
            authentication: auth?.value ?? before.authentication,
            peerIdentity: peerID.map(\.value.value) ?? before.peerIdentity,
            gatewayIdentity: gatewayID?.value ?? before.gatewayIdentity,
            initiation: initiate?.value ?? before.initiation,
            forcesEncapsulation: forceEncapsulation ?? before.forcesEncapsulation,
            pairsSelectors: pairSelectors ?? before.pairsSelectors, probe: probe.map(\.value.value) ?? before.probe,
            partner: try partner?.partner() ?? before.partner)
    }

    func request() throws(ControlError) -> CertificateRequest? {
        guard let text = certificateRequest else { return nil }
        guard auth?.value == .certificate else {
            throw .wrong(
                "certificate_request", "is for a VPN whose ends prove themselves so: write certificate as auth")
        }
        do throws(CertificateError) {
            return try CertificateRequest(parsing: Array(text.utf8))
        } catch {
            throw .wrong("certificate_request", "\(error)")
        }
    }
}

struct PartnerBody: RequestBody, Sendable {
    let name: Text<Name>
    let destinations: [Text<IPv4Prefix>]?
    let ports: [Text<PartnerPorts>]?
    let validFrom: Text<Timestamp>?
    let validUntil: Text<Timestamp>?

    enum CodingKeys: String, CodingKey, CaseIterable {
        case name, destinations, ports
        case validFrom = "valid_from"
        case validUntil = "valid_until"
    }

    init(from decoder: any Decoder) throws {
        // A limit that is misspelt would be none.
        let known = CodingKeys.allCases.map(\.stringValue)
        if let unknown = try FieldNames(from: decoder).names.first(where: { !known.contains($0) }) {
            throw ControlError.wrong(
                "partner.\(unknown.shortened)", "unknown field; known are \(known.joined(separator: ", "))")
        }
        let container = try decoder.container(keyedBy: CodingKeys.self)
        name = try container.decode(Text<Name>.self, forKey: .name)
        destinations = try container.decodeIfPresent([Text<IPv4Prefix>].self, forKey: .destinations)
        ports = try container.decodeIfPresent([Text<PartnerPorts>].self, forKey: .ports)
        validFrom = try container.decodeIfPresent(Text<Timestamp>.self, forKey: .validFrom)
        validUntil = try container.decodeIfPresent(Text<Timestamp>.self, forKey: .validUntil)
    }

    func partner() throws(ControlError) -> Tunnel.Partner {
        Tunnel.Partner(
            name: name.value, destinations: destinations?.map(\.value) ?? [], ports: ports?.map(\.value) ?? [],
            validFrom: validFrom?.value, validUntil: validUntil?.value)
    }
}

struct RotationBody: RequestBody {
    let overlapSeconds: Whole<UInt32>?
    /// Thirty days: each peer has to be told of the new authority, and then given a new certificate.
    static let authorityOverlap: UInt32 = 2_592_000
    enum CodingKeys: String, CodingKey, CaseIterable { case overlapSeconds = "overlap_seconds" }
}

struct VPNLimitBody: RequestBody {
    /// Left out: as the configuration says.
    let vpns: Whole<UInt32>?
    enum CodingKeys: String, CodingKey, CaseIterable { case vpns }
}

/// A value, or nothing where the text is empty.
struct OptionalText<Value: TextParsable & Sendable>: TextParsable, Sendable {
    let value: Value?

    init(parsing text: some StringProtocol) throws(ParseError) {
        value = text.isEmpty ? nil : try Value(parsing: text)
    }
}

extension Tunnel.Peer: TextParsable {}
extension Tunnel.RemoteNetwork: TextParsable {}
extension Tunnel.Devices: TextParsable {}
extension IKEIdentity: TextParsable {}
extension PartnerPorts: TextParsable {}
extension PeerSharedKey: TextParsable {}

/// A choice of words.
protocol WordParsable: TextParsable, RawRepresentable<String>, CaseIterable {
    static var kind: String { get }
}

extension WordParsable {
    init(parsing text: some StringProtocol) throws(ParseError) {
        guard let value = Self(rawValue: String(text)) else {
            throw ParseError(
                kind: Self.kind, text: text,
                expected: "write one of \(Self.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        self = value
    }
}

extension Tunnel.Profile: WordParsable {
    static var kind: String { "a profile of algorithms" }
}
extension Tunnel.Authentication: WordParsable {
    static var kind: String { "a way to prove who one is" }
}
extension Tunnel.Initiation: WordParsable {
    static var kind: String { "when a VPN is made" }
}
extension Tunnel.GatewayIdentity: WordParsable {
    static var kind: String { "what the gateway says it is" }
}
extension PeerVendor: WordParsable {
    static var kind: String { "a kind of VPN device" }
}
