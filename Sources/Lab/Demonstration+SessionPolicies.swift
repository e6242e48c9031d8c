import Domain

/// What is said about a SIM beyond its packets: the equipment it is in, the place, the volume.
extension Demonstration {
    func swappedIMEI() async throws(LabError) -> Sight {
        let device = fleet.acme[14]
        let gateway = PacketGateway(lab: lab)
        try await setSessionPolicy(of: device, "imei-lock: {mode: locked, on-violation: block}\n")
        let before = try await reachesWeb(device)
        let last = try await lastEvent(of: device)

        // The SIM goes from the meter into something else, which attaches.
        let other = "3599999900000101"
        try await gateway.detach([device])
        let swapped = try await gateway.attach([device.sim], saying: ["3GPP-IMEISV": "\"\(other)\""])
        let during = try await reachesWeb(device)
        let finding = try await finding(of: device)
        let event = try await events(of: device, after: last).first { $0.code == "imei-changed" }

        try await gateway.detach([device])
        let back = try await gateway.attach([device.sim])
        let after = try await reachesWeb(device)
        try await lab.cli.run(["session-policy", "clear", "--sim", device.sim.imsi])
        return Sight(
            seen: "\(swapped.isEmpty ? "no Access-Accept" : "Access-Accept"), then \(finding); "
                + "\(during ? "the web server answers" : "nothing passes")",
            notes: [
                "event: \(event.map { "\($0.code): \($0.message)" } ?? "none")",
                "in its own meter again: \(after ? "the web server answers" : "nothing passes")",
            ],
            isAsExpected: before && swapped.map(\.address) == [device.address] && !during
                && finding == Finding(actions: ["block"], reasons: ["imei-changed"]) && event != nil
                && back.map(\.address) == [device.address] && after)
    }

    func leftFence() async throws(LabError) -> Sight {
        let device = fleet.acme[15]
        let gateway = PacketGateway(lab: lab)
        // Its devices reach the operator's service address and nothing else while they are in quarantine.
        try await lab.cli.run(
            ["policy", "apply", "-", "--tenant", "acme"],
            input: "policy: service-only\nrules: [{name: service, to: [\(LabLayout.otherWeb)], route: internet}]\n")
        try await setSessionPolicy(
            of: device,
            """
            location-lock: {allow: {tracking-areas: [00101-1]}, after-reports: 1, on-violation: quarantine}
            quarantine: {policy: service-only}

            """)
        let before = try await (reachesWeb(device), reachesWeb(device, at: LabLayout.otherWeb))
        let last = try await lastEvent(of: device)

        let start = ContinuousClock.now
        // TAI and ECGI (TS 29.061, 130) of tracking area 9.
        try await gateway.interim(
            device, up: 1, down: 1, saying: ["3GPP-User-Location-Info": "0x8200f110000900f1100000ffff"])
        let answered = ContinuousClock.now - start
        let finding = try await finding(of: device)
        let during = try await (reachesWeb(device), reachesWeb(device, at: LabLayout.otherWeb))
        let event = try await events(of: device, after: last).first { $0.code == "quarantine-entered" }

        try await gateway.interim(device, up: 2, down: 2)
        let after = try await reachesWeb(device)
        try await lab.cli.run(["session-policy", "clear", "--sim", device.sim.imsi])
        try await lab.cli.run(["policy", "delete", "service-only", "--tenant", "acme"])
        return Sight(
            seen: "\(finding) when the report was answered, \(answered.inSeconds) after it; then \(LabLayout.web) "
                + "\(during.0 ? "answers" : "is out of reach"), \(LabLayout.otherWeb) "
                + (during.1 ? "answers" : "is out of reach"),
            notes: [
                "event: \(event.map { "\($0.code): \($0.message)" } ?? "none")",
                "back in tracking area 1: \(after ? "\(LabLayout.web) answers" : "nothing passes")",
            ],
            isAsExpected: before == (true, true) && during == (false, true)
                && finding.actions == ["quarantine"] && finding.reasons.count == 1 && event != nil && after)
    }

    func reachedLimit() async throws(LabError) -> Sight {
        let device = fleet.acme[16]
        let limit = 4_000_000
        try await setSessionPolicy(of: device, "data-limit: {volume: 4MB, per: month, on-reached: block}\n")
        let last = try await lastEvent(of: device)
        let download = try await Download.start(in: lab, by: device)
        _ = try await download.lastGrowth()
        let (volume, octets) = (try await volume(of: device), download.octets)
        let finding = try await finding(of: device)
        let event = try await events(of: device, after: last).first { $0.code == "limit-reached" }
        let answer = try await lab.cli.run(["sim", "limit", "top-up", device.sim.imsi, "20MB"])
        let resumed = try await download.goOn()
        try await resumed.stop()
        try await lab.cli.run(["session-policy", "clear", "--sim", device.sim.imsi])
        return Sight(
            seen: "the download stopped at \(octets) octets; counted \(volume.used) of \(volume.limit)",
            notes: [
                "\(volume.limit - volume.used) are left: fewer than the next packet, or segment before it is cut, has",
                "event: \(event.map { "\($0.code): \($0.message)" } ?? "none")",
                "topped up by 20MB, the download goes on where it was: \(answer.trimmed)",
            ],
            isAsExpected: volume.limit == limit && volume.used <= limit && volume.used > limit - 65_536 - 1500
                && octets < limit && finding == Finding(actions: ["block"], reasons: ["data-limit-reached"])
                && event != nil)
    }

    // MARK: Tools

    func setSessionPolicy(of device: PacketGateway.Attached, _ document: String) async throws(LabError) {
        try await lab.cli.run(["session-policy", "set", "-", "--sim", device.sim.imsi], input: document)
    }

    private func reachesWeb(
        _ device: PacketGateway.Attached, at address: String = LabLayout.web
    ) async throws(LabError) -> Bool {
        try await fetch("http://\(address):443/whoami", as: "\(device.address)", in: .ran) != nil
    }

    /// What `cordon sim effective` says of a SIM's sessions.
    private struct Finding: Hashable, CustomStringConvertible {
        let actions: [String]
        let reasons: [String]

        var description: String {
            actions.isEmpty
                ? "not restricted" : "\(actions.joined(separator: ", ")): \(reasons.joined(separator: ", "))"
        }
    }

    private func finding(of device: PacketGateway.Attached) async throws(LabError) -> Finding {
        struct Answer: Decodable {
            struct Session: Decodable {
                let restriction: Restriction?
            }
            struct Restriction: Decodable {
                let action: String
                let violations: [Violation]
            }
            struct Violation: Decodable {
                let reason: String
            }
            let sessions: [Session]
        }
        let answer = try await lab.cli.answers(["sim", "effective", device.sim.imsi, "--json"], as: Answer.self)
        let restrictions = answer.flatMap(\.sessions).compactMap(\.restriction)
        return Finding(
            actions: restrictions.map(\.action), reasons: restrictions.flatMap(\.violations).map(\.reason))
    }

    private func volume(of device: PacketGateway.Attached) async throws(LabError) -> (used: Int, limit: Int) {
        struct Answer: Decodable {
            struct Volume: Decodable {
                let used: Int
                let limit: Int
            }
            let volumes: [Volume]
        }
        let answer = try await lab.cli.answers(["sim", "limit", "show", device.sim.imsi, "--json"], as: Answer.self)
        guard let volume = answer.first?.volumes.first else {
            throw LabError(.toolFailed, "`cordon sim limit show` shows no volume of \(device.sim.imsi)")
        }
        return (volume.used, volume.limit)
    }

    private struct EventPage: Decodable {
        struct Item: Decodable {
            let number: Int
            let code: String
            let message: String
        }
        let items: [Item]
    }

    private func lastEvent(of device: PacketGateway.Attached) async throws(LabError) -> Int {
        try await lab.cli.answers(
            ["event", "list", "--sim", device.sim.imsi, "--limit", "1", "--json"], as: EventPage.self
        ).flatMap(\.items).first?.number ?? 0
    }

    private func events(
        of device: PacketGateway.Attached, after number: Int
    ) async throws(LabError) -> [EventPage.Item] {
        try await lab.cli.answers(
            ["event", "list", "--sim", device.sim.imsi, "--after", "\(number)", "--json"], as: EventPage.self
        ).flatMap(\.items)
    }
}
