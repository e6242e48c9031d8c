package import Domain
import Logging
import Store
import Synchronization
package import VICI

extension TunnelBook {
    /// A fault has to last so long to be told: what makes a VPN go down is told with that.
    private static let faultPatience: Int64 = 2000

    /// Faults of tunnels that are not told yet. An attempt that fails as the one before did is nothing new.
    package func takeNewFaults(at time: Timestamp) -> [(vpn: VPN, fault: TunnelFault)] {
        contents.withLock { contents in
            var faults: [(vpn: VPN, fault: TunnelFault)] = []
            for (id, state) in contents.states {
                guard let fault = state.record.fault else {
                    // Between two attempts there may be none for a moment: one that has come up has none for good.
                    if state.isEstablished, state.toldFault != nil { contents.states[id]?.toldFault = nil }
                    continue
                }
                guard fault.code != state.toldFault, let since = state.record.faultSince,
                    time.milliseconds - since.milliseconds >= Self.faultPatience
                else { continue }
                contents.states[id]?.toldFault = fault.code
                faults.append((state.setup.vpn, fault))
            }
            return faults.sorted { $0.vpn.number < $1.vpn.number }
        }
    }

    /// What is known of why a VPN is down, which is told with that.
    func takeFault(of id: VPN.ID) -> TunnelFault? {
        contents.withLock { contents in
            guard let fault = contents.states[id]?.record.fault else { return nil }
            contents.states[id]?.toldFault = fault.code
            return fault
        }
    }
}

extension ControlPlane {
    /// VPNs that went down or came up.
    func tell(_ changed: [VPNBook.State]) async {
        let now = now()
        let news = changed.map { state in
            let (vpn, fault) = (state.vpn, state.isUp ? nil : tunnels.takeFault(of: state.vpn.id))
            let words =
                state.isUp
                ? "VPN \(vpn.name) is up; flows take it"
                : "VPN \(vpn.name) is down; its flows take the next of their rule or are blocked"
            return Event.News(
                state.isUp ? .vpnUp : .vpnDown, of: vpn.tenant, about: Event.Subject(.vpn, vpn.name), at: now,
                words: words + (fault.map { ". \($0.words.happened)" } ?? ""),
                details: fault.map { [Event.Detail("fault", $0.code)] } ?? [])
        }
        do {
            try await store.write { store in for one in news { try store.appendEvent(one) } }
        } catch {
            logger.error("VPNs' changes could not be recorded as events", metadata: ["error": "\(error)"])
        }
    }

    func tell(_ faults: [(vpn: VPN, fault: TunnelFault)], at time: Timestamp) async throws {
        let news = faults.map { vpn, fault in
            Event.News(
                .vpnFailed, of: vpn.tenant, about: Event.Subject(.vpn, vpn.name), at: time,
                words: "VPN \(vpn.name): \(fault.words.happened)", details: [Event.Detail("fault", fault.code)])
        }
        try await store.write { store in for one in news { try store.appendEvent(one) } }
    }

    /// Tells tenants of peers' certificates that end soon: what has issued them does not reach the peer, a person does.
    package func warnOfPeerCertificates() async throws {
        let now = self.now()
        let end = PeerCertificate.firstWarned(at: now)
        let isDue = try await store.read { store in
            try store.peerCertificates(before: end).contains { $0.warning(at: now) != nil }
        }
        guard isDue else { return }
        try await store.write { store in
            for one in try store.peerCertificates(before: end) {
                guard let days = one.warning(at: now), let vpn = try store.vpn(one.vpn) else { continue }
                try store.setPeerCertificate(
                    PeerCertificate(vpn: one.vpn, expiresAt: one.expiresAt, toldDays: days))
                try store.appendEvent(.expiring(one, of: vpn, at: now))
            }
        }
    }
}

extension Event.News {
    fileprivate static func expiring(_ certificate: PeerCertificate, of vpn: VPN, at time: Timestamp) -> Self {
        let verb = certificate.expiresAt > time ? "ends" : "has ended"
        return Self(
            .vpnCertificateExpiring, of: vpn.tenant, about: Event.Subject(.vpn, vpn.name), at: time,
            words:
                "VPN \(vpn.name): the certificate of its peer \(verb) at \(certificate.expiresAt), and the tunnel with it; "
                + "cordon vpn rotate-key \(vpn.name) gives a new one, and the old one is good until its own end",
            details: [Event.Detail("expires_at", "\(certificate.expiresAt)")])
    }
}
