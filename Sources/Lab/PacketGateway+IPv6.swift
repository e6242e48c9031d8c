public import Domain

extension PacketGateway {
    /// A device whose session has IPv6.
    public struct AttachedIPv6: Hashable, Sendable {
        public let sim: LabSIM
        /// `nil`: it has IPv6 alone.
        public let address: IPv4Address?
        /// Of its link.
        public let prefix: IPv6Prefix

        /// The address that the device has made of its prefix.
        public var address6: IPv6Address { IPv6Address(bits: prefix.address.bits | 1) }
    }

    /// Asks for a session with IPv6, alone or beside IPv4, gives the device its addresses and reports the start.
    /// - Returns: `nil` when that was not accepted, or no prefix given.
    public func attachIPv6(_ sim: LabSIM, besideIPv4: Bool = true) async throws(LabError) -> AttachedIPv6? {
        let type = "3GPP-PDP-Type = \(besideIPv4 ? 3 : 2)"
        let answers = try await radclient(
            "auth", [sim.accessRequest.replacing("3GPP-PDP-Type = 0", with: type)])
        guard let answer = answers[sim.imsi], answer.code == "Access-Accept",
            let prefix = answer.attributes["Framed-IPv6-Prefix"].flatMap({ try? IPv6Prefix(parsing: $0) })
        else { return nil }
        let address = answer.attributes["Framed-IP-Address"].flatMap { try? IPv4Address(parsing: $0) }
        let device = AttachedIPv6(sim: sim, address: address, prefix: prefix)
        var session = sim.accounting(address: address ?? IPv4Address(bits: 0), class: answer.attributes["Class"])
            .replacing("3GPP-PDP-Type = 0", with: type)
        let framed = "Framed-IPv6-Prefix = \(prefix)\n"
        session = session.replacing(
            "Framed-IP-Address = \(address ?? IPv4Address(bits: 0))\n",
            with: (address.map { "Framed-IP-Address = \($0)\n" } ?? "") + framed)
        try LabFiles.write(
            "Acct-Status-Type = Stop\nAcct-Terminate-Cause = Admin-Reset\n3GPP-Session-Stop-Indicator = 255\n"
                + "Acct-Session-Time = 1\n" + session,
            to: sessionFile(sim))
        if let address { try await lab.network.ip(["addr replace \(address)/32 dev lo"], in: .ran) }
        try await lab.network.ip(["addr replace \(device.address6)/128 dev lo nodad"], in: .ran)
        guard
            try await radclient("acct", ["Acct-Status-Type = Start\n" + session])[sim.imsi]?.code
                == "Accounting-Response"
        else { throw LabError(.toolFailed, "the Accounting-Start of \(sim.imsi) was not answered") }
        return device
    }

    /// Ends the session from the device's side.
    public func detach(_ device: AttachedIPv6) async throws(LabError) {
        if let stop = LabFiles.read(sessionFile(device.sim)) {
            try LabFiles.remove(sessionFile(device.sim))
            guard try await radclient("acct", [stop])[device.sim.imsi]?.code == "Accounting-Response" else {
                throw LabError(.toolFailed, "the Accounting-Stop of \(device.sim.imsi) was not answered")
            }
        }
        try await lab.network.ip(["addr del \(device.address6)/128 dev lo"], in: .ran)
    }
}
