public import Domain
package import VICI

/// What a gateway that makes IPsec tunnels has beside its kernel.
public struct TunnelSupport: Sendable {
    let daemon: any IKEDaemon
    /// `nil`: tunnels are not probed.
    let probing: (any TunnelProbing)?
    /// Looks a host name up, as the gateway's own host does.
    let lookUp: @Sendable (DomainName) async -> [IPAddress]
    let settings: TunnelSettings
    let wakeUps: AsyncStream<Void>
    private let wakeUp: AsyncStream<Void>.Continuation

    package init(
        daemon: any IKEDaemon, probing: (any TunnelProbing)?,
        lookUp: @escaping @Sendable (DomainName) async -> [IPAddress], settings: TunnelSettings
    ) {
        self.daemon = daemon
        self.probing = probing
        self.lookUp = lookUp
        self.settings = settings
        (wakeUps, wakeUp) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    func wake() { wakeUp.yield() }
}

/// What the operator configures about tunnels.
public struct TunnelSettings: Sendable {
    /// What peers reach the gateway by, in the order in which they are told.
    public var addresses: [IPAddress]
    /// The gateway's own, where it does not matter which: as the route to the peer says.
    public var localAddresses: [IPAddress]
    /// Behind the VPN's and the tenant's name: `hq.acme.vpn.operator.example`.
    public var identitySuffix: DomainName
    /// How many a tenant may have, unless the operator says otherwise of it.
    public var perTenant: UInt32
    /// Of silence, before a peer is asked whether it is there.
    public var deadPeerSeconds: UInt32
    /// The TUN that the IKE daemon makes, where it encrypts itself.
    public var daemonInterface: InterfaceName?

    public init(
        addresses: [IPAddress], localAddresses: [IPAddress] = [], identitySuffix: DomainName, perTenant: UInt32 = 32,
        deadPeerSeconds: UInt32 = 10, daemonInterface: InterfaceName? = nil
    ) {
        self.addresses = addresses
        self.localAddresses = localAddresses
        self.identitySuffix = identitySuffix
        self.perTenant = perTenant
        self.deadPeerSeconds = deadPeerSeconds
        self.daemonInterface = daemonInterface
    }
}
