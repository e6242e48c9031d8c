public import Domain

/// What is known of a VPN when the configuration of its other end is written.
public struct PeerFacts: Hashable, Sendable {
    public let vpn: Name
    public let tenant: Name
    public let tunnel: Tunnel
    public let gateway: Gateway
    /// What the peer has to say it is: the tunnel's, or what stands for it.
    public let peerIdentity: IKEIdentity
    /// The gateway sees another address than the peer has.
    public let isPeerBehindNAT: Bool
    /// The tenant's blocks, in their order: to the enterprise, the remote networks.
    public let deviceBlocks: [IPv4Prefix]
    /// `nil`: a placeholder stands in its place.
    public let sharedKey: PeerSharedKey?
    public let certificate: Certificate
    public let timing: Timing
    /// What TCP's maximum segment size is held to, in octets. With 1350 a packet of 1390 becomes one of 1460 in ESP in
    /// UDP (AES-CBC, IPv4) or 1480 (IPv6), which passes PPPoE's 1492.
    public let maximumSegmentSize: UInt16

    public init(
        vpn: Name, tenant: Name, tunnel: Tunnel, gateway: Gateway, peerIdentity: IKEIdentity,
        isPeerBehindNAT: Bool = false, deviceBlocks: [IPv4Prefix], sharedKey: PeerSharedKey? = nil,
        certificate: Certificate? = nil, timing: Timing = .standard, maximumSegmentSize: UInt16 = 1350
    ) {
        self.vpn = vpn
        self.tenant = tenant
        self.tunnel = tunnel
        self.gateway = gateway
        self.peerIdentity = peerIdentity
        self.isPeerBehindNAT = isPeerBehindNAT
        self.deviceBlocks = Set(deviceBlocks).sorted()
        self.sharedKey = sharedKey
        self.certificate = certificate ?? Certificate(vpn: vpn)
        self.timing = timing
        self.maximumSegmentSize = maximumSegmentSize
    }

    /// The gateway as the peer sees it.
    public struct Gateway: Hashable, Sendable {
        /// What the peer talks to.
        public let address: IPAddress
        /// Where it may be found when it is not there, in the order to try.
        public let alternatives: [IPAddress]
        public let identity: IKEIdentity

        public init(address: IPAddress, alternatives: [IPAddress] = [], identity: IKEIdentity) {
            self.address = address
            self.alternatives = alternatives
            self.identity = identity
        }

        var addresses: [IPAddress] { [address] + alternatives.filter { $0 != address } }

        /// The first of IPv4; `nil` when it has none.
        var ipv4: IPv4Address? {
            addresses.lazy.compactMap { if case .v4(let address) = $0 { address } else { nil } }.first
        }
    }

    /// The files, in PEM, that Cordon gives for a VPN by certificate.
    public struct Certificate: Hashable, Sendable {
        public enum Key: String, CaseIterable, Sendable {
            case ecdsa, rsa
        }

        /// Of the authority that signed the gateway's and the peer's, `cordon-hq-ca.pem`.
        public let authority: String
        /// `cordon-hq.pem`.
        public let certificate: String
        /// `cordon-hq-key.pem`.
        public let privateKey: String
        public let key: Key

        public init(vpn: Name, key: Key = .ecdsa) {
            authority = "cordon-\(vpn)-ca.pem"
            certificate = "cordon-\(vpn).pem"
            privateKey = "cordon-\(vpn)-key.pem"
            self.key = key
        }
    }

    /// When keys are made anew, and when an end that says nothing is asked: after as long as the gateway itself asks
    /// (`vpn.dead-peer-seconds`), so that either end finds out about as soon that the other has died.
    public struct Timing: Hashable, Sendable {
        public let ikeLifetime: Duration
        public let childLifetime: Duration
        public let deadPeerDetection: Duration

        public static let standard = Timing(
            ikeLifetime: .seconds(14_400), childLifetime: .seconds(3600), deadPeerDetection: .seconds(10))

        public init(ikeLifetime: Duration, childLifetime: Duration, deadPeerDetection: Duration) {
            self.ikeLifetime = ikeLifetime
            self.childLifetime = childLifetime
            self.deadPeerDetection = deadPeerDetection
        }

        var ikeSeconds: Int64 { max(300, ikeLifetime.components.seconds) }
        var childSeconds: Int64 { max(300, childLifetime.components.seconds) }
        var deadPeerSeconds: Int64 { max(5, deadPeerDetection.components.seconds) }
    }

    /// Which end makes the tunnel.
    enum Starter: Hashable, Sendable {
        /// The gateway does, and again whenever it ends.
        case gateway
        /// Whichever has something to send.
        case either
        /// The gateway may not, or cannot.
        case peer
    }

    var starter: Starter {
        if isPeerBehindNAT || tunnel.peer == .anywhere { return .peer }
        return switch tunnel.initiation {
        case .always: .gateway
        case .onDemand: .either
        case .never: .peer
        }
    }

    /// A pair of traffic selectors, from the peer's point of view.
    struct Pair: Hashable, Sendable {
        let local: IPv4Prefix
        let remote: IPv4Prefix
    }

    /// What the enterprise calls its networks, in their order.
    var networks: [IPv4Prefix] { Set(tunnel.networks.map(\.network)).sorted() }

    var pairs: [Pair] { networks.flatMap { network in deviceBlocks.map { Pair(local: network, remote: $0) } } }

    /// The peer's own address, where it can be bound to.
    var ownAddress: IPAddress? {
        guard !isPeerBehindNAT, case .address(let address) = tunnel.peer else { return nil }
        return address
    }
}
