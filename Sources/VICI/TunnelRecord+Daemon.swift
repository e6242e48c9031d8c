package import Domain

extension TunnelTerms {
    package init(_ plan: TunnelPlan) {
        self.init(
            peer: plan.tunnel.peer, peerIdentity: plan.peerIdentity, ownIdentity: plan.localIdentity,
            authentication: plan.tunnel.authentication, initiation: plan.tunnel.initiation,
            profile: plan.tunnel.profile,
            devices: plan.localBlocks, networks: plan.tunnel.networks.map(\.network),
            ikeProposals: plan.tunnel.profile.ikeProposals, espProposals: plan.tunnel.profile.espProposals,
            children: plan.children.count)
    }
}

extension TunnelDirectory.Entry {
    package init(vpn: VPN.ID, _ plan: TunnelPlan) {
        self.init(
            vpn: vpn, connection: plan.identifier, addresses: plan.peerAddresses, peerIdentity: plan.peerIdentity,
            ownIdentity: plan.localIdentity)
    }
}

extension TunnelEvent {
    /// What one of the daemon's events says of a tunnel, and of which IKE_SA; none for one that only lists.
    package init?(_ event: DaemonEvent) {
        switch event {
        case .ike(let isUp, let ike):
            guard isUp else {
                self = .ikeDown(sa: ike.id)
                return
            }
            guard let address = ike.remote.address else { return nil }
            self = .ikeUp(sa: ike.id, address: address, port: ike.remote.port ?? 0, identity: ike.remote.identity)
        case .child(let isUp, let ike):
            guard let child = ike.children.first else { return nil }
            self =
                isUp
                ? .childUp(
                    sa: ike.id, name: child.name, local: child.localSelectors.map(\.description),
                    remote: child.remoteSelectors.map(\.description))
                : .childDown(sa: ike.id, name: child.name)
        case .ikeRekeyed(let old, let new): self = .ikeRekeyed(sa: old.id, new: new.id)
        case .childRekeyed(let ike, _, let new): self = .childRekeyed(sa: ike.id, name: new.name)
        case .log(let line): self = .log(line)
        case .listed: return nil
        }
    }
}
