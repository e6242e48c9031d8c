import Domain
import PKI
import PolicyCompiler
import Store

extension OnboardingTransaction {
    /// A VPN that the document makes or changes.
    private struct Site {
        let placed: Placed<OnboardingDocument.Site>
        let vpn: VPN
        let before: VPN?
        let tunnel: Tunnel
    }

    mutating func vpns(_ owner: Tenant) throws {
        guard !document.vpns.isEmpty else { return }
        let support = try control.requireTunnels()
        if try store.blocks(of: owner.id).isEmpty {
            // Its selectors are the tenant's blocks.
            try store.ensureBlock(of: owner.id)
            result.areBlocksNew = true
            note(.create, .blocks, "1", "for the VPNs: \(try store.blocks(of: owner.id).map(\.description).joined())")
        }
        var sites: [Site] = []
        for placed in document.vpns {
            if let site = try site(placed, of: owner, support) { sites.append(site) }
        }
        // Checked when all are there: two that exchange their networks are not in each other's way.
        for site in sites { try check(site, of: owner, support) }
    }

    /// `nil` for one that is as it should be, and after something was reported.
    private mutating func site(
        _ placed: Placed<OnboardingDocument.Site>, of owner: Tenant, _ support: TunnelSupport
    ) throws -> Site? {
        let name = placed.value.name
        let known = try store.vpn(named: name, of: owner.id)
        guard known?.line == nil else {
            report(
                placed.place["name"].diagnostic(
                    "VPN \(name) is a line of the operator's: choose another name, or delete it"))
            return nil
        }
        let tunnel = placed.value.tunnel(changing: known?.tunnel)
        guard let known, let before = known.tunnel else {
            let limit = try control.limit(of: owner.id, store, support)
            guard try store.vpnCount(of: owner.id) < limit else {
                report(placed.place["name"].diagnostic(ControlPlane.full(owner.name, limit).message))
                return nil
            }
            let vpn = try store.insertVPN(name: name, of: owner.id, tunnel: tunnel, at: now)
            result.isScopeNew = true
            note(.create, .vpn, name, tunnel.summary)
            return Site(placed: placed, vpn: vpn, before: nil, tunnel: tunnel)
        }
        guard tunnel != before else {
            note(.keep, .vpn, name, tunnel.summary)
            return nil
        }
        try store.updateTunnel(known.id, to: tunnel)
        guard let vpn = try store.vpn(known.id) else { throw ControlError.notFound("VPN", name) }
        let changes = zip(before.fields, tunnel.fields).filter { $0.0.1 != $0.1.1 }.map { old, new in
            Plan.FieldChange(field: new.0, before: old.1, after: new.1)
        }
        note(.change, .vpn, name, tunnel.summary, changes)
        return Site(placed: placed, vpn: vpn, before: known, tunnel: tunnel)
    }

    /// Whether it fits beside what is there, and then what its ends prove themselves by.
    private mutating func check(_ site: Site, of owner: Tenant, _ support: TunnelSupport) throws {
        let place = site.placed.place
        let findings = try control.checks(of: site.tunnel, site.vpn.name, of: owner, store, support).findings(
            of: site.tunnel, at: now)
        for finding in findings {
            // The API's names have other dashes.
            let path = finding.field.split(separator: ".").map { $0.replacing("_", with: "-") }
            let diagnostic = path.reduce(place) { $0[String($1)] }.diagnostic(finding.message)
            switch finding.weight {
            case .error: report(diagnostic)
            case .warning: warnings.append(placed(diagnostic))
            }
        }
        var request: CertificateRequest?
        if let text = site.placed.value.certificateRequest {
            do throws(CertificateError) {
                request = try CertificateRequest(parsing: Array(text.utf8))
            } catch {
                report(place["certificate-request"].diagnostic("\(error)"))
            }
        }
        guard !isDry, problems.isEmpty else { return }
        let secrets: ControlPlane.TunnelMade?
        if let before = site.before?.tunnel {
            secrets = try control.replaceSecrets(of: site.vpn, before, site.tunnel, owner, request, store, at: now)
        } else {
            secrets = try control.makeSecrets(of: site.vpn, site.tunnel, owner, request, store, at: now)
        }
        result.tunnels.append(
            Made.Site(
                vpn: site.vpn, secrets: secrets, warnings: findings.filter { $0.weight == .warning }))
    }
}

extension Tunnel {
    fileprivate var summary: String { "to \(peer), for \(networks.map(\.description).joined(separator: ", "))" }

    /// By the document's keys, always all of them.
    fileprivate var fields: [(String, String?)] {
        [
            ("peer", "\(peer)"), ("remote-networks", networks.map(\.description).joined(separator: ", ")),
            ("local-network", "\(devices)"), ("profile", profile.rawValue), ("auth", authentication.rawValue),
            ("peer-id", peerIdentity.map { "\($0)" }), ("gateway-id", gatewayIdentity.rawValue),
            ("initiate", initiation.rawValue), ("force-encapsulation", "\(forcesEncapsulation)"),
            ("pair-selectors", "\(pairsSelectors)"), ("probe", probe.map { "\($0)" }),
            ("partner", partner.map { "\($0.name)" }),
            ("partner.destinations", partner.map { $0.destinations.map(\.description).joined(separator: ", ") }),
            ("partner.ports", partner.map { $0.ports.map(\.description).joined(separator: ", ") }),
            ("partner.valid-from", partner?.validFrom.map { "\($0)" }),
            ("partner.valid-until", partner?.validUntil.map { "\($0)" }),
        ]
    }
}
