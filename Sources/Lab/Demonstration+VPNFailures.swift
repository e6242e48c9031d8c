/// Who behind a VPN reaches a device, and what becomes of traffic when a VPN fails.
extension Demonstration {
    func remoteAccess() async throws(LabError) -> Sight {
        let device = fleet.acme[36]
        let office = lab.enterprise(.acme)
        let listener = try Listener(device, in: lab)
        try await apply(Fleet.meters(office: "vpn:hq", [Fleet.diagnostics, Fleet.maintenance]), to: "acme")
        let reach = try await reach(listener, from: office.place.host, in: office.namespace)
        try await apply(Fleet.meters(office: "vpn:hq", [Fleet.diagnostics]), to: "acme")
        let isConnected = try await connects(
            to: "\(device.address)", port: Int(Fleet.devicePort), from: office.place.host, in: office.namespace)
        return Sight(
            seen: "\(reach); without the rule TCP \(isConnected ? "connected" : "did not connect")",
            notes: ["cordon policy apply, with the rule \(Fleet.maintenance)"],
            isAsExpected: reach == Reach(datagrams: 0, isConnected: true, isAnswered: false) && !isConnected)
    }

    func failover() async throws(LabError) -> Sight {
        let device = fleet.acme[37]
        let command = try await makeVPN("backup", of: "acme", at: .acmeBackup)
        try await apply(Fleet.meters(office: "[vpn:hq, vpn:backup]", [Fleet.diagnostics]), to: "acme")
        let before = try await publish(by: device)
        let hq = lab.enterprise(.acme)
        try await hq.ip(["link set wan down"])
        try await hq.killGateway()
        let start = ContinuousClock.now
        var reading = try await publish(by: device, patience: 0.5)
        while reading.places.isEmpty, ContinuousClock.now - start < .seconds(15) {
            reading = try await publish(by: device, patience: 0.5)
        }
        let time = ContinuousClock.now - start
        return Sight(
            seen: "before, a reading is at \(Self.list(before.places)); \(time.inSeconds) after its gateway's death at "
                + Self.list(reading.places),
            notes: [command, "the rule has route: [vpn:hq, vpn:backup]; both have a broker at \(hq.place.host)"],
            isAsExpected: before.places == [.acme] && reading.places == [.acmeBackup] && time < .seconds(8))
    }

    func wrongKey() async throws(LabError) -> Sight {
        let device = fleet.acme[38]
        let hq = lab.enterprise(.acme)
        let configuration = hq.loaded
        try await hq.ip(["link set wan up", "route add default via \(LabLayout.internetRouter)"])
        try await hq.startGateway()
        try await hq.load(configuration.replacing("secret = \"", with: "secret = \"x"))
        try await lab.cli.run(["vpn", "restart", "hq", "--tenant", "acme"])
        var told: [String] = []
        try await waitUntil("the other key is told", within: .seconds(10), every: .milliseconds(50)) {
            () throws(LabError) in
            told = Self.firstFault(try await lab.cli.run(["vpn", "diagnose", "hq", "--tenant", "acme"]))
            return told.first?.firstMatch(of: /^(key|peer-refused-authentication):/) != nil
        }
        let meanwhile = try await publish(by: device)
        try await hq.load(configuration)
        try await lab.cli.run(["vpn", "restart", "hq", "--tenant", "acme"])
        try await awaitVPN("hq", of: "acme")
        let after = try await publish(by: device)
        return Sight(
            seen: told.first ?? "nothing",
            notes: told.dropFirst() + [
                "meanwhile readings are at \(Self.list(meanwhile.places)); with the right key at "
                    + Self.list(after.places)
            ],
            isAsExpected: meanwhile.places == [.acmeBackup] && after.places == [.acme])
    }

    /// The first of the faults that `cordon vpn diagnose` prints: in words, its likely cause, what to do at each end.
    private static func firstFault(_ diagnosis: String) -> [String] {
        let paragraphs = diagnosis.split(separator: "\n\n")
        guard paragraphs.count > 1 else { return [] }
        let lines = paragraphs[1].split(separator: "\n")
        return (lines.prefix(1) + lines.dropFirst().prefix { $0.hasPrefix("  ") }).map(\.trimmed)
    }
}
