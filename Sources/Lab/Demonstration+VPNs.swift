import Domain

/// An enterprise's VPNs. Each scene uses what those before it have made.
extension Demonstration {
    func vpnMade() async throws(LabError) -> Sight {
        let start = ContinuousClock.now
        let command = try await makeVPN("hq", of: "acme", at: .acme, ["--probe", LabLayout.Enterprise.acme.host])
        try await apply(Fleet.meters(office: "vpn:hq"), to: "acme")
        try await awaitVPN("hq", of: "acme")
        let up = ContinuousClock.now - start
        let reading = try await publish(by: fleet.acme[30])
        let first = ContinuousClock.now - start
        return Sight(
            seen:
                "up \(up.inSeconds) after the call; a reading at \(Self.list(reading.places)) after \(first.inSeconds)",
            notes: [
                command,
                "the head office's strongSwan has what `cordon vpn peer-config hq --for strongswan` printed, as it came",
                "who encrypts at the gateway: \(try await vpn("hq", of: "acme").tunnel.path ?? "nobody")",
            ],
            isAsExpected: reading.places == [.acme] && first < .seconds(5))
    }

    func telemetry() async throws(LabError) -> Sight {
        let device = fleet.acme[31]
        let host = LabLayout.Enterprise.acme.host
        let reading = try await publish(by: device)
        let answer = try await ask(by: device)
        let isOpen = try await connects(to: host, port: 1884, from: "\(device.address)", in: lab.layout.name(of: .ran))
        return Sight(
            seen: "the subscriber has \"\(reading.text)\", the broker saw \(reading.source ?? "nobody"); CoAP: "
                + (answer.map { "\"\($0)\"" } ?? "no answer"),
            notes: [
                "mosquitto_pub -h \(host) and coap-client coap://\(host)/\(LabEnterprise.ownerPath), by "
                    + "\(device.address)"
            ],
            isAsExpected: reading.places == [.acme] && reading.source == "\(device.address)" && answer == "acme"
                && !isOpen)
    }

    func threeWays() async throws(LabError) -> Sight {
        let device = fleet.acme[32]
        let partner = lab.enterprise(.acmePartner)
        let command = try await makeVPN(
            "repairs", of: "acme", at: .acmePartner,
            ["--partner", "fixit", "--partner-port", "udp/\(Fleet.reportPort)"])
        try await apply(Fleet.meters(office: "vpn:hq", [Fleet.diagnostics]), to: "acme")
        try await awaitVPN("repairs", of: "acme")
        let host = try Self.address(partner.place.host)
        let desk = try NamespaceSocket(.udp, in: partner.namespace, address: host, port: Fleet.reportPort)
        let socket = try NamespaceSocket(
            .udp, in: lab.layout.name(of: .ran), address: device.address, port: 40_600)

        let reading = try await publish(by: device)
        socket.send([0x64], to: host, port: Fleet.reportPort)
        let firmware = try await fetch("http://\(LabLayout.web):443/whoami", as: "\(device.address)", in: .ran)
        let blocked = try await counter("blocked")
        for address in [LabLayout.Enterprise.acme.host, partner.place.host, LabLayout.forbiddenWeb] {
            socket.send([0x64], to: try Self.address(address), port: 7)
        }
        try await pause(.milliseconds(100))
        let denied = try await counter("blocked") - blocked
        let report = desk.receive()
        return Sight(
            seen: "the reading is at \(Self.list(reading.places)), the report at the partner's "
                + "\(report.map { "as \($0.source)" } ?? "not"), the firmware "
                + (firmware.map { "came in \($0.time)" } ?? "did not come") + "; of 3 others blocked: \(denied)",
            notes: [command],
            isAsExpected: reading.places == [.acme] && report?.source == device.address && firmware != nil
                && denied == 3)
    }

    func sameNetwork() async throws(LabError) -> Sight {
        let command = try await makeVPN("hq", of: "globex", at: .globex)
        try await apply(Fleet.trackers(office: "vpn:hq"), to: "globex")
        try await awaitVPN("hq", of: "globex")
        var seen: [String] = []
        var isAsExpected = true
        for (tenant, place, device) in [
            ("acme", LabLayout.Enterprise.acme, fleet.acme[33]), ("globex", .globex, fleet.globex[33]),
        ] {
            let reading = try await publish(by: device)
            let answer = try await ask(by: device)
            seen.append("\(tenant)'s reading is at \(Self.list(reading.places)), CoAP says \(answer ?? "nothing")")
            isAsExpected = isAsExpected && reading.places == [place] && answer == place.rawValue
        }
        return Sight(
            seen: seen.joined(separator: "; "),
            notes: [command, "both asked \(LabLayout.Enterprise.globex.host), each as its own device"],
            isAsExpected: isAsExpected)
    }

    // MARK: Making them

    /// Makes a VPN as its tenant does, and gives the enterprise's strongSwan the configuration that Cordon prints for it.
    /// - Returns: the command that made it.
    func makeVPN(
        _ name: String, of tenant: String, at place: LabLayout.Enterprise, _ options: [String] = []
    ) async throws(LabError) -> String {
        let arguments =
            ["vpn", "create", name, "--tenant", tenant, "--peer", place.address, "--remote-network", place.network]
            + options
        let made = try await lab.cli.answers(arguments + ["--json"], as: LabEnterprise.Handover.self)
        guard let handover = made.first else {
            throw LabError(.toolFailed, "`cordon vpn create` printed nothing")
        }
        let enterprise = lab.enterprise(place)
        try await enterprise.load(try await enterprise.configuration(of: name, tenant: tenant, handover))
        return "cordon " + arguments.joined(separator: " ")
    }

    func apply(_ policy: String, to tenant: String) async throws(LabError) {
        try await lab.cli.run(["policy", "apply", "-", "--tenant", tenant], input: policy)
    }

    /// What `cordon vpn show --json` says.
    struct VPNState: Decodable {
        struct Tunnel: Decodable {
            let path: String?
        }
        /// Whether flows take it.
        let up: Bool
        let tunnel: Tunnel
    }

    func vpn(_ name: String, of tenant: String) async throws(LabError) -> VPNState {
        guard
            let state = try await lab.cli.answers(
                ["vpn", "show", name, "--tenant", tenant, "--json"], as: VPNState.self
            ).first
        else { throw LabError(.toolFailed, "`cordon vpn show` printed nothing") }
        return state
    }

    func awaitVPN(_ name: String, of tenant: String) async throws(LabError) {
        try await waitUntil("flows take \(tenant)'s VPN \(name)", within: .seconds(15), every: .milliseconds(20)) {
            () throws(LabError) in try await vpn(name, of: tenant).up
        }
    }

    // MARK: Devices' reports

    struct Reading {
        /// What was published.
        let text: String
        /// The enterprises whose subscriber has it.
        let places: [LabLayout.Enterprise]
        /// Where the broker there saw the client come from.
        let source: String?
    }

    /// Publishes a reading to the broker at the address that all head offices have.
    /// - Parameters:
    ///   - patience: how long the broker may take to confirm it, in seconds.
    ///   - authority: whose authority the device knows, for TLS; `nil`: in the clear.
    func publish(
        by device: PacketGateway.Attached, patience: Double = 2, trusting authority: LabLayout.Enterprise? = nil
    ) async throws(LabError) -> Reading {
        let access =
            authority.map {
                ["-p", "\(LabEnterprise.secureBrokerPort)", "--cafile", lab.enterprise($0).brokerAuthority]
            } ?? ["-p", "\(LabEnterprise.brokerPort)"]
        let text = "\(Int.random(in: 1..<1_000_000_000)) Wh"
        let topic = "readings/\(device.sim.name)"
        let offices = LabLayout.Enterprise.allCases.filter(\.hasServices)
        // With quality of service 1 it ends once the broker has confirmed the message.
        let isConfirmed =
            try await Command(
                [
                    "timeout", "\(patience)", "mosquitto_pub", "-h", LabLayout.Enterprise.acme.host,
                    "-A", "\(device.address)", "-i", device.sim.name, "-q", "1", "-t", topic, "-m", text,
                ] + access, in: lab.layout.name(of: .ran)
            ).output().status == 0
        func places() -> [LabLayout.Enterprise] {
            offices.filter { lab.enterprise($0).messages.contains("\(topic) \(text)") }
        }
        if isConfirmed {
            try await waitUntil("a subscriber has the reading", within: .seconds(2)) { () throws(LabError) in
                !places().isEmpty
            }
        }
        let found = places()
        return Reading(
            text: text, places: found,
            source: found.first.flatMap { lab.enterprise($0).address(ofClient: device.sim.name) })
    }

    /// Asks the CoAP server at the address that all head offices have whose it is.
    func ask(by device: PacketGateway.Attached) async throws(LabError) -> String? {
        let answer = try await Command(
            [
                "coap-client-notls", "-a", "\(device.address)", "-B", "2", "-m", "get",
                "coap://\(LabLayout.Enterprise.acme.host)/\(LabEnterprise.ownerPath)",
            ], in: lab.layout.name(of: .ran)
        ).output().standardOutput.trimmed
        return answer.isEmpty ? nil : answer
    }

    static func list(_ places: [LabLayout.Enterprise]) -> String {
        places.isEmpty ? "nobody's" : places.map { "\($0.rawValue)'s" }.joined(separator: ", ")
    }
}
