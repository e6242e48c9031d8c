package import Domain

/// Everything the daemon is told of one VPN, computed by whoever knows the tenant, the gateway and the other VPNs.
package struct TunnelPlan: Hashable, Sendable {
    /// Of its connection, its first CHILD_SA's configuration and its key: `vpn-17`.
    package let identifier: String
    package let tunnel: Tunnel
    /// The gateway's own, that peers reach; empty: whichever the route to the peer takes.
    package let localAddresses: [IPAddress]
    /// What the gateway says it is. No two VPNs have the same: the daemon chooses keys, connections and what a new
    /// IKE_SA replaces by it.
    package let localIdentity: IKEIdentity
    /// What the peer must say it is.
    package let peerIdentity: IKEIdentity
    /// No other VPN of the gateway has this ``IKEIdentity/comparable`` identity, of its peer or its own. When one
    /// comes, the key of the first is loaded again before the second is. See ``secretOwners``.
    package let isPeerIdentityUnique: Bool
    /// The tenant's devices.
    package let localBlocks: [IPv4Prefix]
    package let path: DataPath
    package let credentials: Credentials
    /// What a peer's name stands for at present; nothing of a peer that has an address itself.
    package let lookedUpAddresses: [IPAddress]
    /// Whether traffic may pass now: `false` for a partner's out of its hours. An IKE_SA may then be up, and no CHILD_SA
    /// can be made from either end.
    package let mayCarryTraffic: Bool
    package let timers: Timers

    /// Who does ESP.
    package enum DataPath: Hashable, Sendable {
        /// The kernel, through the xfrm interface of this number, not 0.
        case kernel(interfaceID: UInt32)
        /// kernel-libipsec, which sees no packet that has no CHILD_SA, so that one on demand is Cordon's to start.
        case userSpace
    }

    /// How the two ends prove who they are.
    package enum Credentials: Hashable, Sendable {
        /// The key is loaded beside the connection: ``TunnelPlan/secret(_:)``.
        case sharedKey
        /// The gateway's certificate, and those of whoever may have issued the peer's: DER.
        case certificate(own: [UInt8], authorities: [[UInt8]])
    }

    package struct Timers: Hashable, Sendable {
        /// How long an IKE_SA and a CHILD_SA last, at most, before new keys are made; the moment is drawn from the last
        /// quarter, so that tunnels that came up together do not rekey together.
        package let ikeSeconds: UInt32
        package let childSeconds: UInt32
        /// Of silence, before the peer is asked whether it is there.
        package let deadPeerSeconds: UInt32

        private static let lifetimes: ClosedRange<UInt32> = 60...7 * 86400

        /// Lifetimes outside a minute to a week are taken as the nearest of these; dead-peer detection is never off.
        package init(ikeSeconds: UInt32 = 4 * 3600, childSeconds: UInt32 = 3600, deadPeerSeconds: UInt32 = 10) {
            self.ikeSeconds = min(max(ikeSeconds, Self.lifetimes.lowerBound), Self.lifetimes.upperBound)
            self.childSeconds = min(max(childSeconds, Self.lifetimes.lowerBound), Self.lifetimes.upperBound)
            self.deadPeerSeconds = min(max(deadPeerSeconds, 1), 3600)
        }
    }

    /// Why there is no plan for a tunnel.
    package enum PlanError: Error, Hashable, Sendable {
        case noLocalBlocks
        case noNetworks
        /// Pairs of selectors, above ``TunnelPlan/maximumChildren``.
        case tooManyPairs(Int)
        case peerIdentityIsLocal
        /// An interface number of 0 is none.
        case interfaceID
        /// The tunnel's authentication is by the other.
        case credentials
    }

    package static let maximumChildren = 256

    /// - Parameter peerIdentity: the tunnel's, or what the caller says of a peer that may call from anywhere.
    package init(
        identifier: String, tunnel: Tunnel, localAddresses: [IPAddress], localIdentity: IKEIdentity,
        peerIdentity: IKEIdentity, isPeerIdentityUnique: Bool, localBlocks: [IPv4Prefix], path: DataPath,
        credentials: Credentials = .sharedKey, lookedUpAddresses: [IPAddress] = [], mayCarryTraffic: Bool = true,
        timers: Timers = Timers()
    ) throws(PlanError) {
        guard !localBlocks.isEmpty else { throw .noLocalBlocks }
        guard !tunnel.networks.isEmpty else { throw .noNetworks }
        guard peerIdentity.comparable != localIdentity.comparable else { throw .peerIdentityIsLocal }
        guard path != .kernel(interfaceID: 0) else { throw .interfaceID }
        switch (tunnel.authentication, credentials) {
        case (.sharedKey, .sharedKey), (.certificate, .certificate): break
        case (.sharedKey, .certificate), (.certificate, .sharedKey): throw .credentials
        }
        self.identifier = identifier
        self.tunnel = tunnel
        self.localAddresses = localAddresses
        self.localIdentity = localIdentity
        self.peerIdentity = peerIdentity
        self.isPeerIdentityUnique = isPeerIdentityUnique
        self.localBlocks = Set(localBlocks).sorted()
        self.path = path
        self.credentials = credentials
        self.lookedUpAddresses = lookedUpAddresses
        self.mayCarryTraffic = mayCarryTraffic
        self.timers = timers
        let pairs = self.localBlocks.count * Set(tunnel.networks.map(\.network)).count
        guard !tunnel.pairsSelectors || pairs <= Self.maximumChildren else { throw .tooManyPairs(pairs) }
    }

    /// Where the peer is, as far as is known.
    package var peerAddresses: [IPAddress] {
        switch tunnel.peer {
        case .address(let address): [address]
        case .name: lookedUpAddresses
        case .anywhere: []
        }
    }

    /// Whether the gateway can begin; else it waits for the peer.
    package var canInitiate: Bool { !peerAddresses.isEmpty && mayCarryTraffic }

    /// The CHILD_SAs, each by the name that `initiate` takes.
    package var children: [Child] {
        guard mayCarryTraffic else { return [] }
        let networks = Set(tunnel.networks.map(\.network)).sorted()
        guard tunnel.pairsSelectors else {
            return [Child(name: identifier, local: localBlocks, remote: networks)]
        }
        let pairs = localBlocks.flatMap { block in networks.map { (block, $0) } }
        return pairs.enumerated().map { index, pair in
            Child(
                name: index == 0 ? identifier : "\(identifier)-\(index + 1)", local: [pair.0], remote: [pair.1])
        }
    }

    package struct Child: Hashable, Sendable {
        package let name: String
        package let local: [IPv4Prefix]
        package let remote: [IPv4Prefix]
    }

    /// Whose the key is. As responder, charon 5.9.8 takes any key that has one of the two identities among its owners
    /// and that fits: with the peer's identity beside the gateway's, two VPNs whose peers say the same would open with
    /// each other's keys (seen, decision 0022). So the gateway's own identity, which is this VPN's alone; and the
    /// peer's only where no other VPN has it, since a peer that begins without naming whom it calls (IDr is optional)
    /// is found by nothing else.
    ///
    /// A gateway that is known by its address says the same to several peers: then the peer's identity alone, which must be
    /// this VPN's alone.
    package var secretOwners: [IKEIdentity] {
        if tunnel.gatewayIdentity == .address { return [peerIdentity] }
        return isPeerIdentityUnique ? [localIdentity, peerIdentity] : [localIdentity]
    }

    /// - Parameters:
    ///   - name: what the daemon is to know the key by.
    ///   - octets: the key itself, as both ends have it.
    package func secret(_ name: String, _ octets: [UInt8]) -> Commands.LoadShared {
        Commands.LoadShared(name, secret: octets, owners: secretOwners.map(\.vici))
    }
}
