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

    /// The chains that are always there, in the order of their definition. Policies' chains are named `policy_N`.
    static let chains = [
        "blocked", "sgi_source", "sgi_device", "radius", "sgi_input", "wan_input",
        "mangle_prerouting",
        "filter_forward", "filter_input", "nat_postrouting",
    ]
    static let counters = [
        "blocked", "device_to_device", "forward_denied", "input_denied", "invalid", "ipv6",
        "nat_unmapped", "new_connections_limited", "radius_limited", "spoofed", "unsolicited",
    ]
    static let sets = [
        "device_policy", "policy_chain", "in_force", "device_nat", "nas", "pools", "block_rates", "nas_rates",
        "observed",
    ]
    /// Sets whose elements the kernel makes, with the limits that were in force then.
    static let meters = ["block_rates", "nas_rates"]

    /// Commands that define everything which may already be there, and change nothing where it is.
    var definitions: String {
        let base = [
            "mangle_prerouting { type filter hook prerouting priority mangle; policy accept; }",
            "filter_forward { type filter hook forward priority filter; policy drop; }",
            "filter_input { type filter hook input priority filter; policy accept; }",
            "nat_postrouting { type nat hook postrouting priority srcnat; policy accept; }",
        ]
        var lines = ["add table inet cordon"]
        lines += Self.counters.map { "add counter inet cordon \($0)" }
        lines += [
            "add map inet cordon device_policy { type ipv4_addr : mark; }",
            "add map inet cordon policy_chain { type mark : verdict; size 131072; }",
            "add map inet cordon in_force { type mark . mark : mark; }",
            "add map inet cordon device_nat { type ipv4_addr : interval ipv4_addr . inet_service; }",
            "add set inet cordon nas { type ipv4_addr; }",
            "add set inet cordon pools { type ipv4_addr; flags interval; }",
            // What blocks and NAS take. The kernel adds elements, and takes them away when they are idle.
            "add set inet cordon block_rates { type ipv4_addr; size 65536; flags dynamic,timeout; timeout 1m; }",
            // What rules note of the packets they decide on, for so long after the last of them.
            "add set inet cordon \(Observed.name) { type ipv4_addr . ipv4_addr . inet_proto . inet_service . mark; "
                + "size 65536; flags dynamic,timeout; timeout 1h; counter; }",
            "add set inet cordon nas_rates { type ipv4_addr; size 1024; flags dynamic,timeout; timeout 1m; }",
        ]
        let bases = Set(base.compactMap { $0.split(separator: " ").first })
        lines += Self.chains.filter { !bases.contains($0[...]) }.map { "add chain inet cordon \($0)" }
        lines += base.map { "add chain inet cordon \($0)" }
        return lines.joined(separator: "\n") + "\n"
    }

    /// Where a flow goes that has the number of a way in force; otherwise the rule ends.
    private static let inForce = "ct mark != 0 meta mark set meta mark . ct mark map @in_force accept"

    /// Commands that add the rules to the empty chains.
    var rules: String {
        // By number, which is cheaper than by name: an interface that comes back has another, and matches nothing until
        // the table is loaded again.
        let sgi = "iif \"\(layout.sgiInterface)\""
        let wan = "iif \"\(layout.wanInterface)\""
        let outSGi = "oif \"\(layout.sgiInterface)\""
        let outWAN = "oif \"\(layout.wanInterface)\""
        let limits = layout.limits
        let internet = Self.number(RouteMark.internet)
        let devices = Self.number(RouteMark.devices)
        let radiusPorts = layout.radiusPorts.sorted().map { String($0) }.joined(separator: ", ")
        let chains: [(name: String, rules: [String])] = [
            // What comes from outside goes towards the devices, as far as the forward chain. A mark that the packet came
            // with is nobody's.
            ("mangle_prerouting", ["\(sgi) goto sgi_source", "\(wan) meta mark set \(devices)"]),
            (
                "sgi_source",
                [
                    // A rule ends at a look-up that finds nothing.
                    "meta mark set ip saddr map @device_policy goto sgi_device",
                    "meta mark set 0",
                    "ip saddr @nas fib daddr type local accept",
                    "meta nfproto ipv6 counter name ipv6 drop",
                    "counter name spoofed drop",
                ]
            ),
            // One to the gateway itself is judged too, then delivered (the local routing table comes before the marks)
            // and refused by the input chain. An error (ICMP) has its flow's mark, and passes as the flow does.
            (
                "sgi_device",
                [
                    Self.inForce,
                    "ct state invalid,untracked counter name invalid drop",
                    "ct state related counter name blocked drop",
                    // Jumps to the policy's chain, which accepts, or returns.
                    "meta mark vmap @policy_chain",
                    Self.inForce,
                    "goto blocked",
                ]
            ),
            ("blocked", ["ip daddr @pools counter name device_to_device drop", "counter name blocked drop"]),
            (
                "filter_forward",
                [
                    "meta mark \(internet) \(outWAN) ct state established accept",
                    // Answers only. The address has been translated back: one without a session ends the rule, so that a
                    // session's end stops both directions in one commit, whatever conntrack still holds.
                    "meta mark \(devices) \(outSGi) ct state established,related ct direction reply "
                        + "meta mark set ip daddr map @device_policy accept",
                    // Whatever a policy says.
                    "meta mark \(internet) ip daddr @pools counter name device_to_device drop",
                    "meta mark \(internet) \(outWAN) ct state new,related accept",
                    "meta mark \(internet) ct state invalid counter name invalid drop",
                    "\(wan) ct direction original counter name unsolicited drop",
                    "\(wan) ct state invalid,untracked counter name unsolicited drop",
                    "counter name forward_denied drop",
                ]
            ),
            ("filter_input", ["\(sgi) goto sgi_input", "\(wan) goto wan_input"]),
            (
                "sgi_input",
                [
                    "meta mark != 0 counter name input_denied drop",
                    "ct state established,related accept",
                    "ip saddr @nas udp dport { \(radiusPorts) } goto radius",
                    "ip saddr @nas icmp type echo-request accept",
                    "counter name input_denied drop",
                ]
            ),
            (
                "radius",
                [
                    "update @nas_rates { ip saddr limit rate over \(limits.radiusPacketsPerNAS)/second "
                        + "burst \(limits.radiusPacketsPerNAS / 4 + 1) packets } counter name radius_limited drop",
                    "accept",
                ]
            ),
            (
                "wan_input",
                [
                    "ct state established,related accept",
                    "icmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept",
                    "counter name input_denied drop",
                ]
            ),
            (
                "nat_postrouting",
                [
                    // Only a connection's first packet comes here.
                    "meta mark \(internet) update @block_rates { ip saddr & 255.255.255.0 limit rate over "
                        + "\(limits.newConnectionsPerBlock)/second burst \(limits.newConnectionsBurst) packets } "
                        + "counter name new_connections_limited drop",
                    // Every protocol. nft wants to see those with ports named before it takes a map with ports; for
                    // the others the kernel translates the address alone. Three rules, since the common two need no
                    // look-up so.
                    "\(outWAN) meta mark \(internet) meta l4proto udp snat ip to ip saddr map @device_nat",
                    "\(outWAN) meta mark \(internet) meta l4proto tcp snat ip to ip saddr map @device_nat",
                    "\(outWAN) meta mark \(internet) "
                        + "meta l4proto { tcp, udp, 0-5, 7-16, 18-255 } snat ip to ip saddr map @device_nat",
                    "meta mark \(internet) counter name nat_unmapped drop",
                ]
            ),
        ]
        return chains.flatMap { chain in chain.rules.map { "add rule inet cordon \(chain.name) \($0)\n" } }.joined()
    }

    static func number(_ mark: UInt32) -> String { "0x" + String(mark, radix: 16) }

    /// The commands that fill the sets which are seldom changed.
    func elements(nas: Set<IPv4Address>) -> String {
        guard !nas.isEmpty else { return "" }
        return "add element inet cordon nas { \(nas.sorted().map(\.description).joined(separator: ", ")) }\n"
    }

    func elements(pools: Set<IPv4Prefix>) -> String {
        // An interval set takes no overlaps.
        let kept = Self.outermost(pools.union(layout.protectedPrefixes).union(layout.publicPrefixes))
        guard !kept.isEmpty else { return "" }
        return "add element inet cordon pools { \(kept.map(Self.text).joined(separator: ", ")) }\n"
    }

    private static func text(_ prefix: IPv4Prefix) -> String { "\(prefix.address)/\(prefix.length)" }

    private static func outermost(_ prefixes: Set<IPv4Prefix>) -> [IPv4Prefix] {
        var kept: [IPv4Prefix] = []
        // Sorted, a prefix comes directly before those that it contains.
        for prefix in prefixes.sorted() where kept.last?.contains(prefix) != true { kept.append(prefix) }
        return kept
    }
}
