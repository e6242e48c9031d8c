public import Domain

/// What the P-GW does: asks for sessions over RADIUS with radclient, gives devices their addresses, reports starts and
/// ends.
public struct PacketGateway: Sendable {
    let lab: Laboratory

    public init(lab: Laboratory) { self.lab = lab }

    /// A device with a session.
    public struct Attached: Hashable, Sendable {
        public let sim: LabSIM
        public let address: IPv4Address
        /// The resolver that the answer named, when it did.
        public let resolver: IPv4Address?
    }

    /// Attaches the devices: Access-Request, address, Accounting-Start.
    /// - Parameter saying: attributes that the requests give other values than usual.
    /// - Returns: those that were accepted, in the order asked.
    public func attach(_ sims: [LabSIM], saying other: [String: String] = [:]) async throws(LabError) -> [Attached] {
        let accepts = try await radclient("auth", sims.map { Self.request($0.accessRequest, saying: other) })
        var attached: [Attached] = []
        var starts: [String] = []
        for sim in sims {
            guard
                let answer = accepts[sim.imsi], answer.code == "Access-Accept",
                let framed = answer.attributes["Framed-IP-Address"], let address = try? IPv4Address(parsing: framed)
            else { continue }
            let resolver = answer.attributes["MS-Primary-DNS-Server"].flatMap { try? IPv4Address(parsing: $0) }
            attached.append(Attached(sim: sim, address: address, resolver: resolver))
            let session = Self.request(
                sim.accounting(address: address, class: answer.attributes["Class"]), saying: other)
            starts.append("Acct-Status-Type = Start\n" + session)
            try LabFiles.write(
                "Acct-Status-Type = Stop\nAcct-Terminate-Cause = Admin-Reset\n3GPP-Session-Stop-Indicator = 255\n"
                    + "Acct-Session-Time = 1\n" + session,
                to: sessionFile(sim))
        }
        try await lab.network.ip(attached.map { "addr replace \($0.address)/32 dev lo" }, in: .ran)
        let answers = try await radclient("acct", starts)
        for device in attached where answers[device.sim.imsi]?.code != "Accounting-Response" {
            throw LabError(.toolFailed, "the Accounting-Start of \(device.sim.imsi) was not answered")
        }
        return attached
    }

    /// Asks for sessions and does nothing with the answers.
    /// - Returns: the code of each answer that came, as radclient names it, in the order asked.
    public func answers(to sims: [LabSIM]) async throws(LabError) -> [String] {
        let answers = try await radclient("auth", sims.map(\.accessRequest))
        return sims.compactMap { answers[$0.imsi]?.code }
    }

    /// Sends a SIM's Access-Request once to anyone, and does not mind that no answer comes.
    public func send(_ sim: LabSIM, to target: String) async throws(LabError) {
        _ = try await Command(
            ["radclient", "-q", "-r", "1", "-t", "0.2", "-S", lab.layout.secretFile, target, "auth"],
            in: lab.layout.name(of: .ran)
        ).output(input: sim.accessRequest)
    }

    /// Reports octets carried so far, up from the device and down to it.
    /// - Parameter saying: attributes that it gives other values than at the attach.
    public func interim(
        _ device: Attached, up: UInt32, down: UInt32, saying other: [String: String] = [:]
    ) async throws(LabError) {
        guard let stop = LabFiles.read(sessionFile(device.sim)) else {
            throw LabError(.toolFailed, "\(device.sim.imsi) has no session at the P-GW")
        }
        let report = stop.replacing("Acct-Status-Type = Stop", with: "Acct-Status-Type = Interim-Update")
            .replacing("Acct-Terminate-Cause = Admin-Reset\n3GPP-Session-Stop-Indicator = 255\n", with: "")
            .replacing("Acct-Input-Octets = 0", with: "Acct-Input-Octets = \(up)")
            .replacing("Acct-Output-Octets = 0", with: "Acct-Output-Octets = \(down)")
        let answers = try await radclient("acct", [Self.request(report, saying: other)])
        guard answers[device.sim.imsi]?.code == "Accounting-Response" else {
            throw LabError(.toolFailed, "the interim report of \(device.sim.imsi) was not answered")
        }
    }

    /// Reports that the P-GW has started: sessions from before are no more (RFC 2866 §5.1, Accounting-On).
    public func announceStart() async throws(LabError) {
        let output = try await Command(
            ["radclient", "-r", "4", "-t", "2", "-S", lab.layout.secretFile, "\(LabLayout.gatewaySGi):1813", "acct"],
            in: lab.layout.name(of: .ran)
        ).run(
            input: """
                Acct-Status-Type = Accounting-On
                Acct-Session-Id = "start"
                NAS-IP-Address = \(LabLayout.packetGateway)
                NAS-Identifier = "lab-pgw"

                """)
        guard output.contains("Accounting-Response") else {
            throw LabError(.toolFailed, "Accounting-On was not answered", output: output)
        }
    }

    /// Loses a session, as a restarted P-GW does: it reports no end, and knows nothing of it when asked.
    public func forget(_ sim: LabSIM) async throws(LabError) {
        try LabFiles.remove(sessionFile(sim))
    }

    /// Ends sessions from the device's side: Accounting-Stop, and the address goes.
    public func detach(_ devices: [Attached]) async throws(LabError) {
        var stops: [String] = []
        for device in devices {
            guard let stop = LabFiles.read(sessionFile(device.sim)) else { continue }
            stops.append(stop)
            try LabFiles.remove(sessionFile(device.sim))
        }
        let answers = try await radclient("acct", stops)
        guard answers.values.count(where: { $0.code == "Accounting-Response" }) == stops.count else {
            throw LabError(.toolFailed, "an Accounting-Stop was not answered")
        }
        try await lab.network.ip(devices.map { "addr del \($0.address)/32 dev lo" }, in: .ran)
    }

    /// The request with other values of these attributes.
    private static func request(_ text: String, saying other: [String: String]) -> String {
        guard !other.isEmpty else { return text }
        return text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            for (name, value) in other where line.hasPrefix("\(name) = ") { return "\(name) = \(value)" }
            return String(line)
        }.joined(separator: "\n")
    }

    func sessionFile(_ sim: LabSIM) -> String { "\(lab.layout.sessionDirectory)/\(sim.imsi)" }

    struct Answer {
        let code: String
        var attributes: [String: String] = [:]
    }

    /// Sends the requests, many at a time, and pairs what radclient prints: each packet sent and received is shown
    /// with its identifier and attributes.
    /// - Returns: the answer to each request that got one, by IMSI.
    func radclient(_ kind: String, _ requests: [String]) async throws(LabError) -> [String: Answer] {
        guard !requests.isEmpty else { return [:] }
        let port = kind == "auth" ? 1812 : 1813
        let output = try await Command(
            [
                "radclient", "-x", "-r", "4", "-t", "2", "-p", "50", "-S", lab.layout.secretFile,
                "\(LabLayout.gatewaySGi):\(port)", kind,
            ], in: lab.layout.name(of: .ran)
        ).output(input: requests.joined(separator: "\n"))
        // Identifiers are used again once they are free, so an answer belongs to the last request before it with its own.
        var asked: [String: String] = [:]
        var byIMSI: [String: Answer] = [:]
        var identifier = ""
        var answered: String?
        for line in output.standardOutput.split(separator: "\n") {
            let words = line.split(separator: " ")
            if line.first != "\t" {
                guard words.count > 3, words[2] == "Id" else { continue }
                identifier = String(words[3])
                answered = words[0] == "Received" ? asked[identifier] : nil
                if let answered { byIMSI[answered] = Answer(code: String(words[1])) }
            } else if let equals = line.firstIndex(of: "=") {
                let name = line[..<equals].trimmed
                var value = line[line.index(after: equals)...].trimmed
                if value.hasPrefix("\""), value.hasSuffix("\""), value.count > 1 {
                    value = String(value.dropFirst().dropLast())
                }
                if let answered {
                    byIMSI[answered]?.attributes[name] = value
                } else if name == "3GPP-IMSI" {
                    asked[identifier] = value
                }
            }
        }
        return byIMSI
    }
}
