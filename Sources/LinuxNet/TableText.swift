import Domain
import PolicyCompiler

/// The text of `table inet cordon` in the language of nft.
///
/// A packet's mark is first its policy's (the lower half of the numbers), set from its source address; then, once judged,
/// that of its route (the upper half). Mark zero belongs to no device.
///
/// Every packet of a device is judged, not only the first of a flow. A policy's chain writes the number of the way that it
/// gives a packet on the flow (conntrack's mark); a number never comes back for another chain. As long as the pair of
/// policy and number is in force, that is the verdict on the flow's other packets, and costs one look-up however large
/// the policy is. With a policy's change its new pairs come into force in place of the old, and each flow is judged anew
/// by its next packet. Zero is the number of flows that no chain has let pass.
struct TableText {
    let layout: GatewayLayout
    /// Who encrypts, where there may be tunnels.
    let tunnelPath: TunnelPath?

    /// The chains that are always there, in the order of their definition. Policies' chains are named as
    /// ``ChainPlace/name(serial:)`` says.
    static let chains =
        [
            "blocked", "sgi_reply", "sgi_device", "sgi_reply6", "sgi_device6", "sgi_source6", "sgi_source",
            "vpn_refused",
            "vpn_spoofed", VPNLimits.Place.refusal.name, "vpn_access", "vpn_access6", "vpn_known", "vpn_device",
            "vpn_source", UsageChain.refusal,
        ] + UsageChain.allCases.map(\.rawValue) + [
            "from_device", "to_device", "radius", "sgi_input", "wan_input", "vpn_input", "forward_vpn", "forward_group",
            "raw_prerouting", "raw_output", "mangle_prerouting", "mangle_output", "filter_forward", "filter_input",
            "filter_output", "nat_prerouting", "nat_postrouting",
        ]
    static let counters = [
        "blocked", "device_to_device", "forward_denied", "input_denied", "invalid", "ipv6", UsageChain.refusal,
        "nat_unmapped", "new_connections_limited", "radius_limited", "route_changed", "route_down", "spoofed",
        "unsolicited", "vpn_denied", VPNLimits.Place.refusal.name, "vpn_spoofed",
    ]
    static let sets =
        Family.allCases.flatMap { family in
            ["device_policy", "group_devices", "pools", "block_rates", Observed.name].map { $0 + family.suffix }
        } + Leads.ChainMap.allCases.map(\.name)
        + [
            Leads.decisionsName, Leads.vpnsName, Leads.interfacesName, Leads.refusalsName, Leads.marksName,
            Leads.limitsName, Leads.timeServerName, Leads.ratesName, "device_nat", "nas", "nas_rates",
        ] + Named.maps
    /// Sets whose elements the kernel makes, with the limits that were in force then.
    static let meters = ["block_rates", "block_rates6", "nas_rates"]

    /// Commands that define everything which may already be there, and change nothing where it is.
    var definitions: String {
        let base = [
            "raw_prerouting { type filter hook prerouting priority raw; policy accept; }",
            "raw_output { type filter hook output priority raw; policy accept; }",
            "mangle_prerouting { type filter hook prerouting priority mangle; policy accept; }",
            "mangle_output { type route hook output priority mangle; policy accept; }",
            "filter_forward { type filter hook forward priority filter; policy drop; }",
            "filter_input { type filter hook input priority filter; policy accept; }",
            "filter_output { type filter hook output priority filter; policy accept; }",
            "nat_prerouting { type nat hook prerouting priority dstnat; policy accept; }",
            "nat_postrouting { type nat hook postrouting priority srcnat; policy accept; }",
        ]
        var lines = ["add table inet cordon"]
        lines += Self.counters.map { "add counter inet cordon \($0)" }
        for family in Family.allCases {
            let (address, suffix) = (family == .ipv4 ? "ipv4_addr" : "ipv6_addr", family.suffix)
            lines +=
                [
                    "add map inet cordon device_policy\(suffix) { type \(address) : mark; }",
                    "add set inet cordon group_devices\(suffix) { type \(address) . mark; }",
                    "add map inet cordon policy_chain\(suffix) { type mark : verdict; size 131072; }",
                    "add map inet cordon access_chain\(suffix) { type mark . ifname : verdict; }",
                    // In each policy, which of its rules' names have an address.
                ]
                + (0..<Ruleset.HostBit.words).map {
                    "add map inet cordon \(Named.map($0, family)) { type mark . \(address) : mark; }"
                } + [
                    "add set inet cordon pools\(suffix) { type \(address); flags interval; }",
                    // What blocks and NAS take. The kernel adds elements, and takes them away when they are idle.
                    "add set inet cordon block_rates\(suffix) { type \(address); size 65536; flags dynamic,timeout; "
                        + "timeout 1m; }",
                    // What rules note of the packets they decide on, for so long after the last of them.
                    "add set inet cordon \(family.observed) { type \(address) . \(address) . inet_proto . inet_service . mark; "
                        + "size 65536; flags dynamic,timeout; timeout 1h; counter; }",
                ]
        }
        lines += [
            "add map inet cordon \(Leads.decisionsName) { type mark . mark : mark; }",
            "add map inet cordon \(Leads.vpnsName) { type mark . ifname : mark; }",
            "add set inet cordon \(Leads.interfacesName) { type ifname; }",
            "add set inet cordon \(Leads.refusalsName) { type ifname; counter; }",
            "add map inet cordon \(Leads.limitsName) { type ifname : verdict; }",
            "add set inet cordon \(Leads.marksName) { type mark . ifname; }",
            "add set inet cordon \(Leads.timeServerName) { type mark; }",
            "add set inet cordon \(Leads.ratesName) { type mark; }",
            "add map inet cordon device_nat { type ipv4_addr : interval ipv4_addr . inet_service; }",
            "add set inet cordon nas { type ipv4_addr; }",
            "add set inet cordon nas_rates { type ipv4_addr; size 1024; flags dynamic,timeout; timeout 1m; }",
        ]
        let bases = Set(base.compactMap { $0.split(separator: " ").first })
        lines += Self.chains.filter { !bases.contains($0[...]) }.map { "add chain inet cordon \($0)" }
        lines += base.map { "add chain inet cordon \($0)" }
        return lines.joined(separator: "\n") + "\n"
    }

    /// What a rule says of the mark of a flow that has the number of a way in force; otherwise the rule ends.
    static let found = "ct mark != 0 meta mark set meta mark . ct mark map @\(Leads.decisionsName)"

    /// Commands that add the rules to the empty chains.
    var rules: String {
        // By number, which is cheaper than by name: an interface that comes back has another, and matches nothing until
        // the table is loaded again.
        let sgi = "iif \"\(layout.sgiInterface)\""
        let wan = "iif \"\(layout.wanInterface)\""
        let devices = Self.number(RouteMark.devices)
        var chains: [(name: String, rules: [String])] = [
            // What comes from outside goes towards the devices, as far as the forward chain. A mark that the packet came
            // with is nobody's.
            (
                "mangle_prerouting",
                [
                    "\(sgi) goto sgi_source", "\(wan) meta mark set \(devices) accept", Self.ownTraffic,
                    "iifname @\(Leads.interfacesName) goto vpn_source",
                ]
            ),
            (
                "sgi_source",
                [
                    // A rule ends at a look-up that finds nothing.
                    "meta mark set ip saddr map @device_policy goto sgi_device"
                ] + (layout.hasIPv6 ? ["meta nfproto ipv6 goto sgi_source6"] : [])
                    + [
                        "meta mark set 0",
                        "ip saddr @nas fib daddr type local accept",
                        "meta nfproto ipv6 counter name ipv6 drop",
                        "counter name spoofed drop",
                    ]
            ),
            (
                "blocked",
                [
                    "ip daddr @pools counter name device_to_device drop",
                    "ip6 daddr @pools6 counter name device_to_device drop",
                ]
                    // So that the device asks ours at once.
                    + (layout.resolver == nil
                        ? [] : ["tcp dport 853 counter name blocked reject with tcp reset"])
                    + ["counter name blocked drop"]
            ),
        ]
        chains += Family.allCases.filter { $0 == .ipv4 || layout.hasIPv6 }.flatMap { sgiRules($0) }
        chains += [("sgi_source6", layout.hasIPv6 ? sgiSource6 : [])]
        chains += vpnRules + tunnelRules + usageRules + forwardRules + inputRules + natRules + resolverRules
        return chains.flatMap { chain in chain.rules.map { "add rule inet cordon \(chain.name) \($0)\n" } }.joined()
    }

    /// What names a packet's device, as the maps of devices have it.
    static func device(_ family: Family, _ end: String) -> String {
        family == .ipv4 ? "ip \(end)" : "ip6 \(end) & ffff:ffff:ffff:ffff::"
    }

    /// Packets of devices.
    private func sgiRules(_ family: Family) -> [(name: String, rules: [String])] {
        let suffix = family.suffix
        let toResolver =
            resolverAddress(family) == nil
            ? [] : ["udp", "tcp"].map { "\($0) dport 53 meta mark set \(Self.number(RouteMark.resolver)) accept" }
        return [
            // One to the gateway itself is judged too, then delivered (the local routing table comes before the marks)
            // and refused by the input chain. An error (ICMP) has its flow's mark, and passes as the flow does.
            (
                "sgi_device\(suffix)",
                [
                    "\(Self.found) accept",
                    "ct direction reply goto sgi_reply\(suffix)",
                ] + toResolver + [
                    "ct state invalid,untracked counter name invalid drop",
                    "ct state related counter name blocked drop",
                    // Jumps to the policy's chain, which accepts, or returns.
                    "meta mark vmap @policy_chain\(suffix)",
                    "\(Self.found) accept",
                    "goto blocked",
                ]
            ),
            // An answer to another device: that one's policy has let the flow pass, and the mark is the group's that it
            // went to. The forward chain sees whether this device is in it.
            (
                "sgi_reply\(suffix)",
                [
                    "meta mark set \(Self.device(family, "daddr")) map @device_policy\(suffix) \(Self.found) accept",
                    "goto blocked",
                ]
            ),
        ]
    }

    private var sgiSource6: [String] {
        [
            "meta mark set \(Self.device(.ipv6, "saddr")) map @device_policy6 goto sgi_device6",
            "meta mark set 0",
            // The neighbour's own talk with the gateway (RFC 4861): from whatever address of its own, and nothing that a
            // router has forwarded has this hop limit.
            "ip6 hoplimit 255 icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } accept",
            "counter name spoofed drop",
        ]
    }

    private var forwardRules: [(name: String, rules: [String])] {
        let wan = "iif \"\(layout.wanInterface)\""
        let outSGi = "oif \"\(layout.sgiInterface)\""
        let outWAN = "oif \"\(layout.wanInterface)\""
        let internet = Self.number(RouteMark.internet)
        let devices = Self.number(RouteMark.devices)
        let access = Self.number(RouteMark.access)
        let families = Family.allCases.filter { $0 == .ipv4 || layout.hasIPv6 }
        // One without a session ends the rule, so that a session's end stops both directions in one commit, whatever
        // conntrack still holds.
        let toDevice = { (family: Family, chain: String) in "\(Self.policyOfDestination(family)) goto \(chain)" }
        let member = { (family: Family, end: String) in
            "\(Self.device(family, end)) . meta mark @group_devices\(family.suffix)"
        }
        var forward = [
            // Of flows that have a place in NAT 1.
            "meta mark \(internet) \(outWAN) ct state established ct status & snat == snat "
                + "goto from_device"
        ]
        // Answers only. The address has been translated back.
        forward += families.map {
            "meta mark \(devices) \(outSGi) ct state established,related ct direction reply "
                + toDevice($0, "to_device")
        }
        forward +=
            [
                "\(Self.masked(RouteMark.vpns)) goto forward_vpn",
                "\(Self.masked(RouteMark.groups)) goto forward_group",
            ] + toTimeServer + [
                // Whatever a policy says.
                "meta mark \(internet) ip daddr @pools counter name device_to_device drop",
                "meta mark \(internet) ip6 daddr @pools6 counter name device_to_device drop",
                // One that went elsewhere before has no place in NAT 1, and gets none.
                "meta mark \(internet) meta nfproto ipv4 ct status & (confirmed | snat) == confirmed "
                    + "counter name route_changed drop",
                "meta mark \(internet) \(outWAN) ct state new,established,related goto from_device",
                "meta mark \(internet) ct state invalid counter name invalid drop",
            ]
        forward += families.map {
            "meta mark \(access) \(outSGi) ct state new,established,related ct direction original "
                + toDevice($0, "to_device")
        }
        forward += [
            "\(wan) ct direction original counter name unsolicited drop",
            "\(wan) ct state invalid,untracked counter name unsolicited drop",
            "counter name forward_denied drop",
        ]
        return [
            ("filter_forward", forward),
            (
                "forward_vpn",
                [
                    "ip daddr @pools counter name device_to_device drop",
                    "ip6 daddr @pools6 counter name device_to_device drop",
                    // One that has a place in NAT 1 would leave with a public address.
                    "ct status & snat == snat counter name route_changed drop",
                ] + limits(at: "oifname") + [
                    "ct state new,established,related meta mark . oifname @\(Leads.marksName) goto from_device",
                    "counter name forward_denied drop",
                ]
            ),
            (
                "forward_group",
                ["meta mark \(Self.number(RouteMark.down)) counter name route_down drop"]
                    + families.flatMap { family in
                        [
                            "\(outSGi) ct direction original \(member(family, "daddr")) goto \(UsageChain.between.rawValue)",
                            "\(outSGi) ct direction reply \(member(family, "saddr")) "
                                + toDevice(family, UsageChain.between.rawValue),
                        ]
                    } + ["counter name device_to_device drop"]
            ),
        ]
    }

    /// The gateway's with itself, unbound's above all: not looked up among VPNs' interfaces.
    static let ownTraffic = "iif lo accept"

    static func masked(_ range: (mark: UInt32, mask: UInt32)) -> String {
        "meta mark & \(number(range.mask)) == \(number(range.mark))"
    }

    private var natRules: [(name: String, rules: [String])] {
        let outWAN = "oif \"\(layout.wanInterface)\""
        let internet = Self.number(RouteMark.internet)
        let limits = layout.limits
        let rate =
            "limit rate over \(limits.newConnectionsPerBlock)/second burst \(limits.newConnectionsBurst) packets } "
            + "counter name new_connections_limited drop"
        // Only a connection's first packet comes here.
        let limited = { (rest: String) in
            [
                rest + " update @block_rates { ip saddr & 255.255.255.0 " + rate,
                rest + " update @block_rates6 { ip6 saddr & ffff:ffff:ffff:: " + rate,
            ]
        }
        let internetLimits = limited("meta mark \(internet)")
        return [
            (
                "nat_postrouting",
                [
                    internetLimits[0],
                    // Every protocol. nft wants to see those with ports named before it takes a map with ports; for
                    // the others the kernel translates the address alone. Three rules, since the common two need no
                    // look-up so.
                    "\(outWAN) meta mark \(internet) meta l4proto udp snat ip to ip saddr map @device_nat",
                    "\(outWAN) meta mark \(internet) meta l4proto tcp snat ip to ip saddr map @device_nat",
                    "\(outWAN) meta mark \(internet) "
                        + "meta l4proto { tcp, udp, 0-5, 7-16, 18-255 } snat ip to ip saddr map @device_nat",
                    internetLimits[1],
                    "meta mark \(internet) meta nfproto ipv4 counter name nat_unmapped drop",
                ] + limited(Self.masked(RouteMark.vpns)) + limited(Self.masked(RouteMark.groups))
            )
        ]
    }

    static func number(_ mark: UInt32) -> String { "0x" + String(mark, radix: 16) }

    /// The commands that fill the sets which are seldom changed.
    func elements(nas: Set<IPv4Address>) -> String {
        guard !nas.isEmpty else { return "" }
        return "add element inet cordon nas { \(nas.sorted().map(\.description).joined(separator: ", ")) }\n"
    }

    func elements(pools: Set<IPv4Prefix>) -> String {
        Self.elements("pools", pools.union(layout.protectedPrefixes).union(layout.publicPrefixes))
    }

    func elements(pools: Set<IPv6Prefix>) -> String {
        Self.elements("pools6", pools.union(layout.protectedPrefixes6))
    }

    private static func elements<Prefix: AddressPrefix>(_ set: String, _ prefixes: Set<Prefix>) -> String {
        // An interval set takes no overlaps.
        let kept = outermost(prefixes)
        guard !kept.isEmpty else { return "" }
        let texts = kept.map { "\($0.address)/\($0.length)" }
        return "add element inet cordon \(set) { \(texts.joined(separator: ", ")) }\n"
    }

    private static func outermost<Prefix: AddressPrefix>(_ prefixes: Set<Prefix>) -> [Prefix] {
        var kept: [Prefix] = []
        // Sorted, a prefix comes directly before those that it contains.
        for prefix in prefixes.sorted() where kept.last?.contains(prefix) != true { kept.append(prefix) }
        return kept
    }
}
