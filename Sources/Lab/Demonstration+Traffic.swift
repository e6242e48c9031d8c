import Domain

extension Demonstration {
    func allowedDestination() async throws(LabError) -> Sight {
        let device = fleet.acme[0]
        let path = "/whoami?allowed-\(ContinuousClock.now.hashValue)"
        let answer = try await fetch("http://\(LabLayout.web):443\(path)", as: "\(device.address)", in: .ran)
        let log = LabFiles.read(lab.layout.webAccessLog) ?? ""
        let clients = log.split(separator: "\n").filter { $0.hasSuffix(path) }
            .map { $0.prefix { $0 != " " } }
        let flows = try await Command(
            ["conntrack", "-L", "-p", "tcp", "-d", LabLayout.web, "--dport", "443"], in: lab.layout.name(of: .edge)
        ).output().standardOutput
        let inner = Set(flows.matches(of: /src=(198\.19\.[0-9.]+) dst/).map { String($0.1) }).sorted()
        return Sight(
            seen: answer.map { "HTTP 200 in \($0.time); the server's log has \(clients.joined(separator: ", "))" }
                ?? "no answer",
            notes: [
                "\(device.address) became \(inner.joined(separator: ", ")) at the gateway (NAT 1), then "
                    + "\(LabLayout.edgeOutside) at the edge (NAT 2)"
            ],
            isAsExpected: answer != nil && clients == [LabLayout.edgeOutside[...]] && !inner.isEmpty)
    }

    func denied(_ address: String, port: Int) async throws(LabError) -> Sight {
        let device = fleet.acme[0]
        let path = "/whoami?denied-\(port)-\(ContinuousClock.now.hashValue)"
        let url = "http://\(address):\(port)\(path)"
        let control = try await fetch(url, as: LabLayout.internetRouter, in: .inet)
        let blocked = try await counter("blocked")
        let answer = try await fetch(url, as: "\(device.address)", in: .ran)
        let attempts = try await counter("blocked") - blocked
        let requests = (LabFiles.read(lab.layout.webAccessLog) ?? "").split(separator: "\n").filter {
            $0.hasSuffix(path)
        }
        return Sight(
            seen: (answer == nil ? "no answer in a second" : "an answer")
                + "; packets blocked: \(attempts), requests at the server: \(requests.count - 1)",
            notes: ["\(address):\(port) answers the internet: \(control == nil ? "no" : "yes")"],
            isAsExpected: control != nil && answer == nil && attempts > 0 && requests.count == 1)
    }

    func spoofedSource() async throws(LabError) -> Sight {
        let ran = lab.layout.name(of: .ran)
        let sinkAddress = try Self.address(LabLayout.sink)
        let sink = try NamespaceSocket(
            .udp, in: lab.layout.name(of: .inet), address: sinkAddress, port: Fleet.reportPort)
        // An address of the pool that nobody has, the internet's, the P-GW's own.
        let sources = ["100.64.200.7", "203.0.113.77", LabLayout.packetGateway]
        let before = try await counter("spoofed")
        for source in sources {
            let socket = try NamespaceSocket(.udp, in: ran, address: try Self.address(source), port: 40_002)
            for _ in 0..<10 { socket.send([0x73], to: sinkAddress, port: Fleet.reportPort) }
        }
        try await pause(.milliseconds(300))
        let dropped = try await counter("spoofed") - before
        var arrived = 0
        while sink.receive() != nil { arrived += 1 }

        let own = try NamespaceSocket(.udp, in: ran, address: fleet.acme[0].address, port: 40_002)
        own.send([0x6f], to: sinkAddress, port: Fleet.reportPort)
        try await pause(.milliseconds(100))
        let control = sink.receive()
        return Sight(
            seen: "\(arrived) of \(10 * sources.count) datagrams arrived; dropped as spoofed: \(dropped)",
            notes: [
                "sources: \(sources.joined(separator: ", "))",
                "from \(fleet.acme[0].address) itself: \(control.map { "arrived as \($0.source)" } ?? "nothing arrived")",
            ],
            isAsExpected: arrived == 0 && dropped >= 10 * sources.count
                && control?.source.description == LabLayout.edgeOutside)
    }

    // MARK: Tools

    static func address(_ text: String) throws(LabError) -> IPv4Address {
        do {
            return try IPv4Address(parsing: text)
        } catch {
            throw LabError(.toolFailed, "\(error)")
        }
    }

    /// The body of an answer with status 200 within a second, and the time it took; `nil` when none came.
    func fetch(
        _ url: String, as source: String, in namespace: LabLayout.Namespace
    ) async throws(LabError) -> (body: String, time: String)? {
        let output = try await Command(
            ["curl", "-s", "-f", "-m", "1", "--interface", source, "-w", "%{time_total}", url],
            in: lab.layout.name(of: namespace)
        ).output()
        guard output.status == 0 else { return nil }
        let lines = output.standardOutput.split(separator: "\n")
        return (lines.dropLast().joined(separator: "\n"), "\(lines.last ?? "") s")
    }

    /// Whether a TCP connection to a device's port comes about within a second.
    func connects(to address: String, from source: String) async throws(LabError) -> Bool {
        try await connects(
            to: address, port: Int(Fleet.devicePort), from: source, in: lab.layout.name(of: .ran))
    }

    func connects(
        to address: String, port: Int, from source: String, in namespace: String
    ) async throws(LabError) -> Bool {
        try await Command(
            ["socat", "-u", "OPEN:/dev/null", "TCP4:\(address):\(port),bind=\(source),connect-timeout=1"], in: namespace
        ).output().status == 0
    }

    /// Packets that the gateway has counted under this name.
    public func counter(_ name: String) async throws(LabError) -> Int {
        struct Status: Decodable {
            struct Counter: Decodable {
                let name: String
                let packets: Int
            }
            let counters: [Counter]
        }
        let status = try await lab.cli.answers(["status", "--json"], as: Status.self)
        guard let counter = status.first?.counters.first(where: { $0.name == name }) else {
            throw LabError(.toolFailed, "the gateway has no counter \(name)")
        }
        return counter.packets
    }
}
