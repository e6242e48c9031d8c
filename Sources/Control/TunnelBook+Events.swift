package import Domain
import Synchronization
package import VICI

// MARK: - What the daemon says

extension TunnelBook {
    package func connected(at time: Timestamp) {
        contents.withLock { contents in
            contents.isConnected = true
            contents.directory.startAnew()
            for (id, state) in contents.states {
                let attempt = Self.afterDaemon(state, at: time)
                Self.noteUnloaded(&contents.states[id])
                contents.states[id]?.attempt = attempt
                // What the former daemon is just now said to have taken, this one does not have.
                contents.states[id]?.revision += 1
                contents.states[id]?.associations = []
                contents.states[id]?.record.apply(.charonStarted, at: time)
                contents.states[id]?.probe.restart()
            }
        }
    }

    package func disconnected(at time: Timestamp) {
        contents.withLock { contents in
            contents.isConnected = false
            for (id, state) in contents.states {
                let attempt = Self.afterDaemon(state, at: time)
                Self.noteUnloaded(&contents.states[id])
                contents.states[id]?.attempt = attempt
                contents.states[id]?.associations = []
                contents.states[id]?.record.apply(.charonStarted, at: time)
            }
        }
    }

    /// - Returns: the VPN whose condition may be another now.
    package func apply(_ event: TunnelEvent, to connection: String, at time: Timestamp) -> VPN.ID? {
        contents.withLock { contents in
            guard let id = contents.names[connection] else { return nil }
            let wasUp = contents.states[id]?.isEstablished
            contents.states[id]?.record.apply(event, at: time)
            contents.states[id]?.note(event)
            if var state = contents.states[id], state.setup.keys.count > 1, Self.tellsOfKeys(event) {
                Self.turnKeys(&state, at: time)
                contents.states[id] = state
            }
            guard wasUp != contents.states[id]?.isEstablished else { return nil }
            if wasUp == false {
                contents.states[id]?.attempt = Attempt()
                contents.states[id]?.probe.restart()
            }
            return id
        }
    }

    /// Ends an attempt: what begins the next must not change the key that it is made with.
    private static func tellsOfKeys(_ event: TunnelEvent) -> Bool {
        guard case .log(let line) = event else { return false }
        switch CharonMessage(line.text) {
        case .keyMismatch, .noKey, .refused, .authenticationRefusedLater: return true
        default: return false
        }
    }

    /// The daemon could not be told that a tunnel is gone.
    package func noteStillThere(_ name: String, keys: [String], authorities: [String]) {
        contents.withLock { contents in
            if contents.names[name] == nil { contents.departed[name] = (keys, authorities) }
        }
    }

    /// - Parameter names: of the connections that the daemon has. Those of nobody are gone while it could not be told.
    package func noteStrays(among names: [String]) {
        contents.withLock { contents in
            for name in names where contents.names[name] == nil && contents.departed[name] == nil {
                contents.departed[name] = ([], [])
            }
        }
    }

    /// Whose a line of the daemon's log is, with earlier ones that were not known to be.
    package func attribute(_ line: LogLine) -> [(connection: String, LogLine)] {
        contents.withLock { contents in
            if let packet = DroppedPacket(line) {
                Self.note(packet, &contents)
                return []
            }
            guard let delivery = contents.directory.attribute(line), let state = contents.states[delivery.vpn] else {
                return []
            }
            return delivery.lines.map { (state.identifier, $0) }
        }
    }

    private static func note(_ packet: DroppedPacket, _ contents: inout Contents) {
        let reach = contents.states.values.map { state in
            DroppedPacket.Reach(
                vpn: state.setup.vpn.id, devices: state.setup.plan.localBlocks,
                networks: state.setup.tunnel.networks.map(\.network))
        }
        switch packet.reason(among: reach) {
        case .outsideNetworks(let id), .outsideDevices(let id): contents.dropped[id, default: 0] &+= 1
        case .unknown: contents.droppedOfUnknown &+= 1
        }
    }

    /// Packets that the daemon dropped, since they came out of a tunnel that may not bring them.
    package func dropped(of id: VPN.ID) -> UInt64 { contents.withLock { $0.dropped[id] ?? 0 } }

    /// The same of nobody that can be told.
    package var droppedOfUnknown: UInt64 { contents.withLock(\.droppedOfUnknown) }

    /// Of each tunnel, how often something has been said of it: for ``differences(from:since:)``, before the daemon is asked.
    package var changes: [VPN.ID: Int] { contents.withLock { $0.states.mapValues(\.changes) } }

    /// What must have happened for the daemon to have these.
    /// - Parameter before: the changes when it was asked. Of what has changed meanwhile its answer says nothing.
    package func differences(
        from associations: [IKEAssociation], since before: [VPN.ID: Int]
    ) -> [(connection: String, TunnelEvent)] {
        let present = Dictionary(grouping: associations) { $0.name }
        return contents.withLock { contents in
            contents.states.values.flatMap { state -> [(String, TunnelEvent)] in
                guard before[state.setup.vpn.id] == state.changes else { return [] }
                let own = present[state.identifier] ?? []
                let carrying = own.filter { $0.children.contains(where: \.carriesTraffic) }
                switch (state.isEstablished, carrying.isEmpty) {
                case (true, true):
                    return state.associations.map { (state.identifier, .ikeDown(sa: $0)) }
                case (false, false):
                    return carrying.flatMap { ike -> [(String, TunnelEvent)] in
                        guard let address = ike.remote.address else { return [] }
                        let up = TunnelEvent.ikeUp(
                            sa: ike.id, address: address, port: ike.remote.port ?? 0, identity: ike.remote.identity)
                        return [(state.identifier, up)]
                            + ike.children.filter(\.carriesTraffic).map { child in
                                (
                                    state.identifier,
                                    .childUp(
                                        sa: ike.id, name: child.name, local: child.localSelectors.map(\.description),
                                        remote: child.remoteSelectors.map(\.description))
                                )
                            }
                    }
                case (true, false), (false, true): return []
                }
            }
        }
    }
}
