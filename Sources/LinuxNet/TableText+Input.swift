import Domain

/// What the gateway itself takes: devices' questions, RADIUS, and answers to what it asked.
extension TableText {
    var inputRules: [(name: String, rules: [String])] {
        let limit = layout.limits.radiusPacketsPerNAS
        let radiusPorts = layout.radiusPorts.sorted().map { String($0) }.joined(separator: ", ")
        return [
            (
                "filter_input",
                [
                    "iif \"\(layout.sgiInterface)\" goto sgi_input", "iif \"\(layout.wanInterface)\" goto wan_input",
                    Self.ownTraffic, "iifname @\(Leads.interfacesName) goto vpn_input",
                ]
            ),
            (
                "sgi_input",
                (layout.resolver.map { resolver in
                    // Questions by UDP have a rate of their own, and are not counted.
                    [("udp", "accept"), ("tcp", "goto \(UsageChain.input.rawValue)")].map { transport, verdict in
                        "meta mark \(Self.number(RouteMark.resolver)) \(transport) "
                            + "dport { 53, \(resolver.redirectedPort) } \(verdict)"
                    }
                } ?? []) + [
                    "meta mark != 0 counter name input_denied drop",
                    "ct state established,related accept",
                    "ip saddr @nas udp dport { \(radiusPorts) } goto radius",
                    "ip saddr @nas icmp type echo-request accept",
                ]
                    + (layout.hasIPv6
                        ? ["icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } accept"] : [])
                    + ["counter name input_denied drop"]
            ),
            (
                "radius",
                [
                    "update @nas_rates { ip saddr limit rate over \(limit)/second burst \(limit / 4 + 1) packets } "
                        + "counter name radius_limited drop",
                    "accept",
                ]
            ),
            (
                "wan_input",
                answersToResolver + [
                    "ct state established,related accept",
                    "icmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept",
                ] + encryptedRules + ["counter name input_denied drop"]
            ),
            // Errors about what the gateway has sent there.
            (
                "vpn_input",
                ["ct state established,related accept"] + (layout.hasIPv6 ? [Self.neighbours] : [])
                    + ["counter name input_denied drop"]
            ),
        ]
    }
}
