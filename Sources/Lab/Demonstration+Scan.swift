extension Demonstration {
    /// nmap against the public addresses (NAT 1's, from the internet NAT 2's too) and all devices, one of which listens.
    /// - Parameter gateway: the attacker's next hop to those addresses.
    func scan(from attacker: LabLayout.Namespace, gateway: String) async throws(LabError) -> Sight {
        let ran = lab.layout.name(of: .ran)
        let device = fleet.acme[0]
        let datagrams = try NamespaceSocket(.udp, in: ran, address: device.address, port: Fleet.devicePort)
        let streams = try NamespaceSocket(.tcpListener, in: ran, address: device.address, port: Fleet.devicePort)
        defer { withExtendedLifetime(streams) {} }
        // A flow of the device's own, so that NAT 1 has a mapping that a scan could hit.
        let download = try await Download.start(in: lab, by: device)

        let isReachable = try await connects(to: "\(device.address)", from: LabLayout.packetGateway)
        let isWorking = try await nmap([LabLayout.web], in: .inet, ports: "443")
        let before = try await counter("unsolicited") + counter("nat_unmapped") + counter("forward_denied")
        let routes = [lab.layout.natPublic, LabLayout.pool]
        try await lab.network.ip(routes.map { "route replace \($0) via \(gateway)" }, in: attacker)
        let outside = attacker == .inet ? [LabLayout.edgeOutside] : []
        let targets = outside + [lab.layout.natPublic] + (fleet.acme + fleet.globex).map { "\($0.address)" }
        let found = try await nmap(targets, in: attacker, ports: "22,53,80,443,1024-1040,\(Fleet.devicePort)")
        try await lab.network.ip(routes.map { "route del \($0) via \(gateway)" }, in: attacker)
        if attacker == .edge {
            try await lab.network.ip(["route add \(lab.layout.natPublic) via \(LabLayout.gatewayWAN)"], in: .edge)
        }
        let dropped = try await counter("unsolicited") + counter("nat_unmapped") + counter("forward_denied") - before
        var arrived = 0
        while datagrams.receive() != nil { arrived += 1 }
        let goesOn = download.isRunning
        try await download.stop()

        let hasReachedGateway = attacker != .edge || dropped > 1000
        return Sight(
            seen: "open ports at \(found.hosts) addresses: \(found.open); datagrams at the device: \(arrived)",
            notes: [
                "packets that the gateway dropped as unsolicited: \(dropped)"
                    + (dropped == 0 ? "; the outer NAT let none through" : ""),
                "from the P-GW's side the device's port is open: \(isReachable ? "yes" : "no"); "
                    + "the device's own download went on: \(goesOn ? "yes" : "no")",
            ],
            isAsExpected: found.open == 0 && found.hosts == outside.count + 16 + 2 * Fleet.size && arrived == 0
                && goesOn
                && isReachable && isWorking.open == 1 && hasReachedGateway)
    }

    /// A SYN scan of the ports, and of the device's port over UDP.
    /// - Returns: ports that answered as open, and addresses that were scanned.
    private func nmap(
        _ targets: [String], in namespace: LabLayout.Namespace, ports: String
    ) async throws(LabError) -> (open: Int, hosts: Int) {
        let output = try await Command(
            [
                "nmap", "-n", "-Pn", "-sS", "-sU", "-p", "T:\(ports),U:\(Fleet.devicePort)", "--max-retries", "1",
                "--min-rate", "3000", "-T5", "-oG", "-",
            ] + targets, in: lab.layout.name(of: namespace)
        ).run()
        // No answer to a datagram is `open|filtered`: whether it arrived is counted at the device.
        let open = output.matches(of: /\/open\//).count
        let hosts = output.firstMatch(of: /\((\d+) hosts? up\)/).flatMap { Int($0.1) } ?? 0
        return (open, hosts)
    }
}
