import Domain

/// MQTT over TLS through a VPN: devices check whom they talk to by the enterprise's authority.
extension Demonstration {
    func secureTelemetry() async throws(LabError) -> Sight {
        let device = fleet.acme[39]
        let office = lab.enterprise(.acme)
        let reading = try await publish(by: device, trusting: .acme)
        let order = "order \(Int.random(in: 1..<1_000_000_000))"
        let topic = "orders/\(device.sim.name)"
        try await office.leave(order, at: topic)
        let received = try await receive(topic, by: device, trusting: .acme)
        // Its broker has a certificate of another authority.
        let refused = try await publish(by: device, trusting: .globex)
        return Sight(
            seen: "the subscriber has \"\(reading.text)\" from \(reading.source ?? "nobody"), the device "
                + "\(received.map { "\"\($0)\"" } ?? "nothing"); with globex's authority a reading is at "
                + Self.list(refused.places),
            notes: [
                "mosquitto_pub and mosquitto_sub -h \(office.place.host) -p \(LabEnterprise.secureBrokerPort) --cafile "
                    + "\(office.brokerAuthority), by \(device.address)"
            ],
            isAsExpected: reading.places == [.acme] && reading.source == "\(device.address)" && received == order
                && refused.places.isEmpty)
    }

    /// What is at a topic of the broker at the address that all head offices have, over TLS.
    /// - Parameter authority: whose authority the device knows.
    private func receive(
        _ topic: String, by device: PacketGateway.Attached, trusting authority: LabLayout.Enterprise
    ) async throws(LabError) -> String? {
        let said = try await Command(
            [
                "timeout", "5", "mosquitto_sub", "-h", LabLayout.Enterprise.acme.host,
                "-p", "\(LabEnterprise.secureBrokerPort)", "--cafile", lab.enterprise(authority).brokerAuthority,
                "-A", "\(device.address)", "-i", device.sim.name, "-q", "1", "-t", topic, "-C", "1",
            ], in: lab.layout.name(of: .ran)
        ).output().standardOutput.trimmed
        return said.isEmpty ? nil : said
    }
}
