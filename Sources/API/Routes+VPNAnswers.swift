import Control
import Domain
import PKI
import PeerGuides
import PolicyCompiler
import VICI

struct VPNAnswer: Encodable {
    let name: String
    /// A tunnel's has more words than a line's.
    let state: String
    /// As far as the daemon has seen it.
    let since: String?
    /// Whether flows take it.
    let isUp: Bool
    let interface: String
    let networks: [String]
    let nextHop: String?
    let nextHop6: String?
    let tunnel: TunnelAnswer?
    let createdAt: String

    enum CodingKeys: String, CodingKey {
        case name, state, since, interface, networks, tunnel
        case isUp = "up"
        case nextHop = "next_hop"
        case nextHop6 = "next_hop6"
        case createdAt = "created_at"
    }

    init(_ view: ControlPlane.VPNView) {
        let vpn = view.vpn
        name = "\(vpn.name)"
        if let tunnel = view.tunnel {
            state = tunnel.state
            since = "\(tunnel.record.since)"
        } else {
            state = view.isUp ? "up" : "down"
            since = view.since.map { "\($0)" }
        }
        isUp = view.isUp
        interface = "\(vpn.interface)"
        networks = vpn.networks.map { "\($0)" } + vpn.networks6.map { "\($0)" }
        nextHop = vpn.line?.nextHop.map { "\($0)" }
        nextHop6 = vpn.line?.nextHop6.map { "\($0)" }
        tunnel = vpn.tunnel.map { TunnelAnswer($0, view.tunnel) }
        createdAt = "\(vpn.createdAt)"
    }
}

extension ControlPlane.TunnelView {
    /// For programs, in one word.
    var state: String {
        if isStandingBy { return "standing-by" }
        return isProbeFailing && record.isUp ? "probe-unanswered" : record.state.rawValue
    }
}

struct TunnelAnswer: Encodable {
    let peer: String
    let remoteNetworks: [String]
    let localNetwork: String
    let profile: String
    let auth: String
    let peerID: String?
    let gatewayID: String?
    let gatewayAddresses: [String]
    let localBlocks: [String]
    let initiate: String
    let forceEncapsulation: Bool
    let pairSelectors: Bool
    let probe: String?
    let partner: PartnerAnswer?
    let path: String?
    let fault: String?
    let peerSeen: PeerAnswer?
    let octetsToPeer: UInt64?
    let octetsFromPeer: UInt64?
    let packetsRefused: UInt64?
    let lastRekey: String?
    let keysMadeAt: [String]

    enum CodingKeys: String, CodingKey {
        case peer, profile, auth, initiate, probe, partner, path, fault
        case remoteNetworks = "remote_networks"
        case localNetwork = "local_network"
        case peerID = "peer_id"
        case gatewayID = "gateway_id"
        case gatewayAddresses = "gateway_addresses"
        case localBlocks = "local_blocks"
        case forceEncapsulation = "force_encapsulation"
        case pairSelectors = "pair_selectors"
        case peerSeen = "peer_seen"
        case octetsToPeer = "octets_to_peer"
        case octetsFromPeer = "octets_from_peer"
        case packetsRefused = "packets_refused"
        case lastRekey = "last_rekey"
        case keysMadeAt = "keys_made_at"
    }

    init(_ tunnel: Tunnel, _ view: ControlPlane.TunnelView?) {
        peer = "\(tunnel.peer)"
        remoteNetworks = tunnel.networks.map { "\($0)" }
        localNetwork = "\(tunnel.devices)"
        profile = tunnel.profile.rawValue
        auth = tunnel.authentication.rawValue
        peerID = (view?.peerIdentity ?? tunnel.peerIdentity).map { "\($0)" }
        gatewayID = view.map { "\($0.ownIdentity)" }
        gatewayAddresses = view?.gatewayAddresses.map { "\($0)" } ?? []
        localBlocks = view?.blocks.map { "\($0)" } ?? []
        initiate = tunnel.initiation.rawValue
        forceEncapsulation = tunnel.forcesEncapsulation
        pairSelectors = tunnel.pairsSelectors
        probe = tunnel.probe.map { "\($0)" }
        partner = tunnel.partner.map(PartnerAnswer.init)
        path = view?.path
        fault = view?.record.fault?.code
        peerSeen = (view?.record.peer).map {
            PeerAnswer(address: "\($0.address)", port: $0.port, identity: $0.identity)
        }
        octetsToPeer = view?.counters.octetsToPeer
        octetsFromPeer = view?.counters.octetsFromPeer
        packetsRefused = view?.counters.refusedPackets
        lastRekey = (view?.record.lastRekey).map { "\($0)" }
        keysMadeAt = view?.keys.map { "\($0)" } ?? []
    }

    struct PeerAnswer: Encodable {
        let address: String
        let port: UInt16
        let identity: String
    }
}

struct PartnerAnswer: Encodable {
    let name: String
    let destinations: [String]
    let ports: [String]
    let validFrom: String?
    let validUntil: String?

    enum CodingKeys: String, CodingKey {
        case name, destinations, ports
        case validFrom = "valid_from"
        case validUntil = "valid_until"
    }

    init(_ partner: Tunnel.Partner) {
        name = "\(partner.name)"
        destinations = partner.destinations.map { "\($0)" }
        ports = partner.ports.map { "\($0)" }
        validFrom = partner.validFrom.map { "\($0)" }
        validUntil = partner.validUntil.map { "\($0)" }
    }
}

/// A VPN with what is told of it once: its key, or its peer's certificate.
struct HandoverAnswer: Encodable {
    let vpn: VPNAnswer
    let warnings: [String]
    /// Never told again.
    let key: String?
    let certificate: String?
    let privateKey: String?
    let authority: String?

    enum CodingKeys: String, CodingKey {
        case vpn, warnings, key, certificate, authority
        case privateKey = "private_key"
    }

    /// Of a line, of which nothing is told once.
    init(_ line: ControlPlane.VPNView) {
        vpn = VPNAnswer(line)
        warnings = []
        (key, certificate, privateKey, authority) = (nil, nil, nil, nil)
    }

    init(_ made: ControlPlane.TunnelHandover) {
        vpn = VPNAnswer(made.vpn)
        warnings = made.warnings.map(\.message)
        key = made.key.map { String(decoding: $0.bytes, as: UTF8.self) }
        certificate = made.certificate?.pem
        privateKey = (made.privateKey?.pem).map { String(decoding: $0.bytes, as: UTF8.self) }
        authority = made.authority?.pem
    }
}

struct PreflightAnswer: Encodable {
    let isPossible: Bool
    let findings: [FindingAnswer]
    let gatewayID: String
    let peerID: String?
    let peerAddresses: [String]
    let localBlocks: [String]
    let path: String

    enum CodingKeys: String, CodingKey {
        case findings, path
        case isPossible = "possible"
        case gatewayID = "gateway_id"
        case peerID = "peer_id"
        case peerAddresses = "peer_addresses"
        case localBlocks = "local_blocks"
    }

    struct FindingAnswer: Encodable {
        let weight: String
        let field: String
        let message: String
    }

    init(_ preflight: ControlPlane.TunnelPreflight) {
        isPossible = !preflight.findings.contains { $0.weight == .error }
        findings = preflight.findings.map {
            FindingAnswer(weight: $0.weight.rawValue, field: $0.field, message: $0.message)
        }
        gatewayID = "\(preflight.ownIdentity)"
        peerID = preflight.peerIdentity.map { "\($0)" }
        peerAddresses = preflight.peerAddresses.map { "\($0)" }
        localBlocks = preflight.blocks.map { "\($0)" }
        path = preflight.path
    }
}

struct DiagnosisAnswer: Encodable {
    let vpn: VPNAnswer
    let faults: [FaultAnswer]
    let timeline: [EntryAnswer]

    struct FaultAnswer: Encodable {
        let code: String
        let since: String?
        let happened: String
        let cause: String
        let here: String
        let there: String
    }

    struct EntryAnswer: Encodable {
        let time: String
        /// How often, the first time at `first`.
        let count: Int
        let first: String
        let sentence: String
    }

    init(_ diagnosis: ControlPlane.TunnelDiagnosis) {
        vpn = VPNAnswer(diagnosis.view)
        faults = diagnosis.faults.map { fault in
            FaultAnswer(
                code: fault.code, since: fault.since.map { "\($0)" }, happened: fault.happened, cause: fault.cause,
                here: fault.here, there: fault.there)
        }
        timeline = diagnosis.tunnel.record.timeline.entries.map { entry in
            EntryAnswer(
                time: "\(entry.last)", count: entry.count, first: "\(entry.first)", sentence: entry.sentence)
        }
    }
}

struct PeerConfigurationAnswer: Encodable {
    let vendor: String
    let title: String
    let documentation: String
    let warnings: [String]
    let blanks: [BlankAnswer]
    let files: [FileAnswer]
    let text: String
    let steps: [String]

    struct BlankAnswer: Encodable {
        let placeholder: String
        let meaning: String
        let isDecodedKey: Bool

        enum CodingKeys: String, CodingKey {
            case placeholder, meaning
            case isDecodedKey = "decoded_key"
        }
    }

    struct FileAnswer: Encodable {
        let path: String
        let text: String
    }

    init(_ configuration: PeerConfiguration, _ steps: [String]) {
        vendor = configuration.vendor.rawValue
        title = configuration.vendor.title
        documentation = configuration.documentation
        warnings = configuration.warnings
        blanks = configuration.blanks.map {
            BlankAnswer(placeholder: $0.placeholder, meaning: $0.meaning, isDecodedKey: $0.isDecodedKey)
        }
        files = configuration.files.map { FileAnswer(path: $0.path, text: $0.text) }
        text = configuration.text
        self.steps = steps
    }
}

struct AuthorityAnswer: Encodable {
    let subject: String
    let fingerprint: String
    let notBefore: String
    let notAfter: String
    /// By Cordon, which signs with it.
    let isMade: Bool
    let pem: String
    let createdAt: String
    /// From when on it is trusted no more, when somebody has said so.
    let retiresAt: String?

    enum CodingKeys: String, CodingKey {
        case subject, fingerprint, pem
        case retiresAt = "retires_at"
        case notBefore = "not_before"
        case notAfter = "not_after"
        case isMade = "made_by_cordon"
        case createdAt = "created_at"
    }

    init(_ view: ControlPlane.AuthorityView) {
        subject = view.certificate.subject
        fingerprint = "\(view.certificate.fingerprint)"
        notBefore = "\(view.certificate.notBefore)"
        notAfter = "\(view.certificate.notAfter)"
        isMade = view.isMade
        pem = view.certificate.pem
        createdAt = "\(view.createdAt)"
        retiresAt = view.retiresAt.map { "\($0)" }
    }
}
