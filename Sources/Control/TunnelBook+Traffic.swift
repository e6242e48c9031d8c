package import Domain
import Synchronization
import VICI

// MARK: - Traffic

extension TunnelBook {
    package func note(
        _ counters: [VPNNumber: (packetsToPeer: UInt64, octetsIn: UInt64, octetsOut: UInt64)], at time: Timestamp
    ) {
        contents.withLock { contents in
            for (number, count) in counters {
                guard let id = contents.byNumber[number], let state = contents.states[id] else { continue }
                contents.states[id]?.record.apply(
                    .counters(bytesIn: count.octetsIn, bytesOut: count.octetsOut), at: time)
                if count.packetsToPeer > state.packetsToPeer, !state.isEstablished {
                    contents.states[id]?.isWanted = true
                }
                contents.states[id]?.packetsToPeer = count.packetsToPeer
            }
        }
    }

    /// Questions to send now. Of one that is up, or was until its probe failed.
    package func probes(mark: (VPNNumber) -> UInt32, at time: Timestamp) -> [TunnelProbe] {
        contents.withLock { contents in
            var probes: [TunnelProbe] = []
            for (id, state) in contents.states {
                guard let probe = state.setup.tunnel.probe, let source = state.setup.gatewayAddress,
                    state.isEstablished,
                    let sequence = contents.states[id]?.probe.next(at: time)
                else { continue }
                if contents.states[id]?.probe.isFailing == true, !state.probe.isFailing {
                    contents.states[id]?.record.apply(.probe(answered: false, address: probe), at: time)
                }
                probes.append(
                    TunnelProbe(
                        vpn: state.setup.vpn.number, sequence: sequence, source: source, destination: probe,
                        mark: mark(state.setup.vpn.number)))
            }
            return probes
        }
    }

    package func note(_ answer: TunnelProbe.Answer, at time: Timestamp) {
        contents.withLock { contents in
            guard let id = contents.byNumber[answer.vpn], let state = contents.states[id],
                state.setup.tunnel.probe == answer.from
            else { return }
            contents.states[id]?.probe.note(answer: answer.sequence)
            if state.probe.isFailing {
                contents.states[id]?.record.apply(.probe(answered: true, address: answer.from), at: time)
            }
        }
    }
}

// MARK: - Blocks

extension TunnelBook {
    /// An address of the tenant's has been given to a device. One out of all that its tunnels are made for is of a new
    /// block.
    package func note(_ address: IPv4Address, of tenant: Tenant.ID) {
        contents.withLock { contents in
            guard let blocks = contents.blocks[tenant], !blocks.contains(where: { $0.contains(address) }) else {
                return
            }
            contents.widened.insert(tenant)
        }
    }

    /// Tenants whose tunnels are to be brought anew.
    package func takeWidened() -> Set<Tenant.ID> {
        contents.withLock { contents in
            defer { contents.widened = [] }
            return contents.widened
        }
    }
}
