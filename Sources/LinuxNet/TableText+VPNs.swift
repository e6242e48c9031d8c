import Domain
import PolicyCompiler

/// Packets that come through VPNs, and what tunnels need beside that.
extension TableText {
    private static let answersToGateway = "ct state established ct direction reply fib daddr type local"

    /// What routers on a link say to each other (RFC 4861).
    static let neighbours = "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept"

    /// Packets that come through VPNs.
    var vpnRules: [(name: String, rules: [String])] {
        let families = Family.allCases.filter { $0 == .ipv4 || layout.hasIPv6 }
        let access = Self.number(RouteMark.access)
        let policy = { (family: Family) in
            "meta mark set \(Self.device(family, "daddr")) map @device_policy\(family.suffix)"
        }
        // Through the VPN that the flow was let in by.
        let found = "\(Self.found) meta mark . iifname @\(Leads.marksName) meta mark set \(access) accept"
        // Counts those of a VPN in its interface's element.
        let ofVPN = "iifname @\(Leads.refusalsName)"
        return [
            ("vpn_refused", [ofVPN, "counter name vpn_denied drop"]),
            ("vpn_spoofed", [ofVPN, "counter name vpn_spoofed drop"]),
            (VPNLimits.Place.refusal.name, [ofVPN, "counter name \(VPNLimits.Place.refusal.name) drop"]),
            (
                "vpn_source",
                families.map { "\(policy($0)) goto vpn_device" }
                    + [
                        // What a tenant's resolver answers the gateway's.
                        "\(Self.answersToGateway) meta mark set 0 accept",
                        "meta mark set 0",
                        layout.hasIPv6 ? Self.neighbours : "meta nfproto ipv6 counter name ipv6 drop",
                    ]
                    + [Self.refused]
            ),
            // Only where the policy of the device names the VPN behind the interface.
            (
                "vpn_device",
                [
                    "meta mark set meta mark . iifname map @\(Leads.vpnsName) goto vpn_known",
                    Self.refused,
                ]
            ),
            (
                "vpn_known",
                [
                    // A source that the VPN's own routes do not lead back to.
                    "fib saddr . mark . iif oif 0 goto vpn_spoofed"
                ] + limits(at: "iifname") + [
                    "ct state established,related ct direction reply meta mark set "
                        + "\(Self.number(RouteMark.devices)) accept",
                    "ct state invalid,untracked counter name invalid drop",
                ] + families.map { "\(policy($0)) goto vpn_access\($0.suffix)" } + [Self.refused]
            ),
        ]
            + families.map { family in
                (
                    "vpn_access\(family.suffix)",
                    [
                        found,
                        "ct state related goto vpn_refused",
                        policy(family),
                        "meta mark . iifname vmap @access_chain\(family.suffix)",
                        found,
                        Self.refused,
                    ]
                )
            }
    }

    private static let refused = "goto vpn_refused"

    // MARK: Tunnels

    /// What VPNs let pass that are limited, and how large a TCP segment is that fits a tunnel (RFC 4459): at either end,
    /// so that none is larger. `tunnelMTU` without the headers.
    func limits(at interface: String) -> [String] {
        guard layout.hasTunnels else { return [] }
        return [
            "\(interface) vmap @\(Leads.limitsName)",
            "\(interface) \"vpn*\" tcp flags & (syn | rst) == syn "
                + "tcp option maxseg size set \(max(layout.tunnelMTU, 576) - 40)",
        ]
    }

    /// What peers send to the IKE daemon, and encrypted to the kernel.
    var encryptedRules: [String] {
        guard layout.hasTunnels else { return [] }
        return ["udp dport { 500, 4500 } accept"] + (tunnelPath == .kernel ? ["meta l4proto esp accept"] : [])
    }

    /// The gateway's own errors (ICMP) about packets of a VPN go back by it, and not where the main table leads.
    var tunnelRules: [(name: String, rules: [String])] {
        guard layout.hasTunnels else { return [] }
        // By the flow's device: it is at the end that the error does not go to.
        let route = { (direction: String, end: String) in
            "meta l4proto icmp meta mark 0 ct state related ct direction \(direction) "
                + "meta mark set ct original ip \(end) map @device_policy \(Self.found) "
                + "\(Self.masked(RouteMark.vpns)) accept"
        }
        let isLeft = "meta l4proto icmp ct state related meta mark != 0 meta mark set 0"
        return [
            ("mangle_output", [route("original", "saddr"), isLeft, route("reply", "daddr"), isLeft])
        ]
    }
}
