package import Domain

/// Why a tunnel does not come up, went down or does not do its work. As far as can be told from the gateway's end: IKE
/// tells the end that is refused little, so that attackers learn little (RFC 7296 §2.21.2).
package enum TunnelFault: Hashable, Sendable {
    /// Nothing came back to UDP 500.
    case noAnswer(peer: String)
    /// The gateway's own host could not send.
    case noRoute(reason: String)
    /// One end's UDP 500 gets through, and UDP 4500 does not.
    case natTraversalPort(peer: String, caller: Caller)
    case nameUnresolved(name: String)
    case noIKEProposal(Lists)
    case noESPProposal(Lists, rekeying: Bool)
    /// They agree on all but the key exchange's group.
    case keyExchange(gateway: String, peer: String)
    /// The peer says it is somebody else.
    case identity(expected: String, seen: String)
    /// The peer takes the gateway for somebody else.
    case gatewayIdentity(own: String, asked: String)
    case key(peer: String)
    /// The gateway has none for the two identities.
    case keyMissing(own: String, peer: String)
    /// One end proves itself by a shared key, the other by a certificate.
    case authenticationMethod(gateway: Tunnel.Authentication)
    /// AUTHENTICATION_FAILED, of which the reason is in the peer's log only.
    case refusedAuthentication(own: String, peer: String, by: Tunnel.Authentication, unknownAuthority: Bool)
    case certificateUntrusted(subject: String, issuer: String?)
    /// The peer's own, or its authority's.
    case certificateExpired(subject: String, until: String, ofAuthority: Bool)
    case certificateNotYetValid(subject: String, from: String, ofAuthority: Bool)
    case certificateRevoked(subject: String, at: String)
    case certificateSubject(expected: String, seen: String)
    case signature(peer: String)
    case selectors(Selectors)
    /// Agreed on, and the gateway itself could not do it.
    case notInstalled(what: String)
    /// Up for less than is configured.
    case selectorsNarrowed(missing: [IPv4Prefix])
    case deadPeer(peer: String)
    case peerDeleted(wholly: Bool)
    case duplicatePeer(identity: String, addresses: [String])
    case noReturnTraffic
    case probeUnanswered(IPv4Address)
    /// charon's own words, for what is none of these.
    case other(String)

    /// Who began the exchange.
    package enum Caller: String, Hashable, Sendable {
        case gateway, peer
    }

    /// Proposals of both ends, as far as known; of the peer's, charon tells only when the peer called.
    package struct Lists: Hashable, Sendable {
        package let gateway: [String]
        package let peer: [String]
        /// The other profile, when that would fit what the peer offers.
        package let fitting: Tunnel.Profile?

        package init(gateway: [String], peer: [String], fitting: Tunnel.Profile?) {
            self.gateway = gateway
            self.peer = peer
            self.fitting = fitting
        }
    }

    /// Traffic selectors of both ends; the peer's are empty when only the peer knows them.
    package struct Selectors: Hashable, Sendable {
        package let devices: [IPv4Prefix]
        package let networks: [IPv4Prefix]
        package let peersDevices: String
        package let peersNetworks: String

        package init(devices: [IPv4Prefix], networks: [IPv4Prefix], peersDevices: String, peersNetworks: String) {
            self.devices = devices
            self.networks = networks
            self.peersDevices = peersDevices
            self.peersNetworks = peersNetworks
        }
    }

    /// For programs; never changes.
    package var code: String {
        switch self {
        case .noAnswer: "no-answer"
        case .noRoute: "no-route"
        case .natTraversalPort: "nat-traversal-port"
        case .nameUnresolved: "name-unresolved"
        case .noIKEProposal: "no-ike-proposal"
        case .noESPProposal: "no-esp-proposal"
        case .keyExchange: "key-exchange"
        case .identity: "identity"
        case .gatewayIdentity: "gateway-identity"
        case .key: "key"
        case .keyMissing: "key-missing"
        case .authenticationMethod: "authentication-method"
        case .refusedAuthentication: "peer-refused-authentication"
        case .certificateUntrusted: "certificate-untrusted"
        case .certificateExpired: "certificate-expired"
        case .certificateNotYetValid: "certificate-not-yet-valid"
        case .certificateRevoked: "certificate-revoked"
        case .certificateSubject: "certificate-subject"
        case .signature: "signature"
        case .selectors: "traffic-selectors"
        case .notInstalled: "not-installed"
        case .selectorsNarrowed: "traffic-selectors-narrowed"
        case .deadPeer: "dead-peer"
        case .peerDeleted: "peer-deleted"
        case .duplicatePeer: "duplicate-peer"
        case .noReturnTraffic: "no-return-traffic"
        case .probeUnanswered: "probe-unanswered"
        case .other: "other"
        }
    }

    /// Says something of a tunnel that is up, and stays beside that state.
    var concernsUp: Bool {
        switch self {
        case .selectorsNarrowed, .duplicatePeer, .noReturnTraffic, .probeUnanswered: true
        case .noESPProposal(_, let rekeying): rekeying
        case .noAnswer, .noRoute, .natTraversalPort, .nameUnresolved, .noIKEProposal, .keyExchange, .identity,
            .gatewayIdentity, .key, .keyMissing, .authenticationMethod, .refusedAuthentication, .certificateUntrusted,
            .certificateExpired, .certificateNotYetValid, .certificateRevoked, .certificateSubject, .signature,
            .selectors,
            .notInstalled, .deadPeer, .peerDeleted, .other:
            false
        }
    }
}
