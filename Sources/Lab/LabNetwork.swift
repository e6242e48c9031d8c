/// The namespaces, links, addresses and routes of design.md section 11, and the site's outer NAT.
package struct LabNetwork: Sendable {
    let layout: LabLayout

    package init(layout: LabLayout) { self.layout = layout }

    package func create() async throws(LabError) {
        let name: (LabLayout.Namespace) -> String = layout.name(of:)
        try await ip(
            layout.namespaceNames.map { "netns add \($0)" } + [
                "link add sgi netns \(name(.ran)) type veth peer name sgi netns \(name(.gw))",
                "link add wan netns \(name(.gw)) type veth peer name inside netns \(name(.edge))",
                "link add outside netns \(name(.edge)) type veth peer name edge netns \(name(.inet))",
            ])
        try await createRAN()
        try await ip(
            [
                "link set lo up",
                "addr add \(LabLayout.gatewaySGi)/30 dev sgi",
                "addr add \(LabLayout.gatewayWAN)/30 dev wan",
                "link set sgi up",
                "link set wan up",
                "route add default via \(LabLayout.edgeInside)",
                "route add \(LabLayout.pool) via \(LabLayout.packetGateway)",
            ], in: .gw)
        try await createEdge()
        // A bridge, since enterprises' VPN gateways stand beside the edge on the same network.
        try await ip(
            [
                "link set lo up",
                "link add internet type bridge",
                "link set edge master internet",
                "addr add \(LabLayout.internetRouter)/24 dev internet",
                "link set edge up",
                "link set internet up",
                "route add local \(LabLayout.manyAddresses) dev lo",
            ] + LabLayout.internetAddresses.map { "addr add \($0)/32 dev lo" }, in: .inet)
        try await createIPv6()
    }

    /// All devices are addresses on one loopback. The rules make their packets leave even when they are for each
    /// other (the table of local addresses would deliver them on the spot), and the settings let them in again: were
    /// the gateway to let one device reach another, the packet would really arrive.
    private func createRAN() async throws(LabError) {
        try await ip(
            [
                "link set lo up",
                "addr add \(LabLayout.packetGateway)/30 dev sgi",
                "link set sgi up",
                "route add default via \(LabLayout.gatewaySGi)",
                "route add default via \(LabLayout.gatewaySGi) table 100",
                "rule add pref 10 iif lo from \(LabLayout.pool) to \(LabLayout.pool) lookup 100",
                "rule add pref 20 lookup local",
                "rule del pref 0",
            ], in: .ran)
        try await sysctl(
            [
                "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.sgi.rp_filter=0",
                "net.ipv4.conf.sgi.accept_local=1",
                // Small windows, as cellular modules have: bytes seen are then bytes that just arrived.
                "net.ipv4.tcp_rmem=4096 32768 65536",
            ], in: .ran)
    }

    /// Plain stateful NAT: outbound flows get the one outer address, and nothing starts from outside but IKE, which is the
    /// gateway's.
    private func createEdge() async throws(LabError) {
        try await ip(
            [
                "link set lo up",
                "addr add \(LabLayout.edgeInside)/30 dev inside",
                "addr add \(LabLayout.edgeOutside)/24 dev outside",
                "link set inside up",
                "link set outside up",
                "route add default via \(LabLayout.internetRouter)",
                "route add \(layout.natPublic) via \(LabLayout.gatewayWAN)",
            ], in: .edge)
        try await Command(["nft", "-f", "-"], in: layout.name(of: .edge)).run(
            input: """
                table ip edge {
                    chain input {
                        type filter hook input priority filter; policy drop;
                        ct state established,related accept
                        iifname { "lo", "inside" } accept
                    }
                    chain forward {
                        type filter hook forward priority filter; policy drop;
                        ct state established,related accept
                        iifname "inside" oifname "outside" accept
                        iifname "outside" ip daddr \(LabLayout.gatewayWAN) udp dport { 500, 4500 } accept
                    }
                    chain prerouting {
                        type nat hook prerouting priority dstnat; policy accept;
                        iifname "outside" ip daddr \(LabLayout.edgeOutside) udp dport { 500, 4500 } dnat to \(LabLayout.gatewayWAN)
                    }
                    chain postrouting {
                        type nat hook postrouting priority srcnat; policy accept;
                        oifname "outside" snat to \(LabLayout.edgeOutside)
                    }
                }
                """)
        try await sysctl(["net.ipv4.ip_forward=1"], in: .edge)
    }

    /// The namespaces that exist, of those that this laboratory would make.
    var existing: [String] {
        (layout.namespaceNames + layout.enterpriseNames).filter { LabFiles.exists("/run/netns/\($0)") }
    }

    /// The processes inside the namespaces. The namespaces are the laboratory's own, so what runs in them is too.
    func processes() async throws(LabError) -> [Int32] {
        var found: [Int32] = []
        for name in existing {
            let list = try await Command(["ip", "netns", "pids", name]).output()
            found += list.standardOutput.split { $0.isWhitespace }.compactMap { Int32($0) }
        }
        return found
    }

    func remove() async throws(LabError) { try await remove(existing) }

    func remove(_ names: [String]) async throws(LabError) {
        guard !names.isEmpty else { return }
        try await ip(names.map { "netns del \($0)" })
    }

    func ip(_ lines: [String], in namespace: LabLayout.Namespace) async throws(LabError) {
        try await ip(lines, in: layout.name(of: namespace))
    }

    /// - Parameter namespace: its full name; `nil` for the host's own.
    func ip(_ lines: [String], in namespace: String? = nil) async throws(LabError) {
        let options = namespace.map { ["-n", $0] } ?? []
        try await Command(["ip"] + options + ["-batch", "-"]).run(input: lines.joined(separator: "\n") + "\n")
    }

    func sysctl(_ settings: [String], in namespace: LabLayout.Namespace) async throws(LabError) {
        try await Command(["sysctl", "-q", "-w"] + settings, in: layout.name(of: namespace)).run()
    }
}
