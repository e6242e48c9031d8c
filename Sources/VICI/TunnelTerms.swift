package import Domain

/// What the gateway holds a VPN's peer to: what charon was configured with, for comparing with what it says happened.
package struct TunnelTerms: Hashable, Sendable {
    package let peer: Tunnel.Peer
    /// What the peer must say it is.
    package let peerIdentity: IKEIdentity
    /// What the gateway says it is.
    package let ownIdentity: IKEIdentity
    package let authentication: Tunnel.Authentication
    package let initiation: Tunnel.Initiation
    package let profile: Tunnel.Profile
    /// The local traffic selectors.
    package let devices: [IPv4Prefix]
    /// The remote traffic selectors.
    package let networks: [IPv4Prefix]
    /// As charon was given them: `aes256gcm16-prfsha384-ecp384`.
    package let ikeProposals: [String]
    package let espProposals: [String]
    /// How many CHILD_SAs it has when it is whole.
    package let children: Int

    package init(
        peer: Tunnel.Peer, peerIdentity: IKEIdentity, ownIdentity: IKEIdentity,
        authentication: Tunnel.Authentication = .sharedKey, initiation: Tunnel.Initiation = .always,
        profile: Tunnel.Profile = .standard, devices: [IPv4Prefix], networks: [IPv4Prefix],
        ikeProposals: [String], espProposals: [String], children: Int = 1
    ) {
        self.peer = peer
        self.peerIdentity = peerIdentity
        self.ownIdentity = ownIdentity
        self.authentication = authentication
        self.initiation = initiation
        self.profile = profile
        self.devices = devices
        self.networks = networks
        self.ikeProposals = ikeProposals
        self.espProposals = espProposals
        self.children = max(1, children)
    }

    /// Whether what comes from this address can be the peer's.
    func admits(_ address: String) -> Bool {
        guard case .address(let fixed) = peer else { return true }
        do { return try IPAddress(parsing: address) == fixed } catch { return false }
    }
}
