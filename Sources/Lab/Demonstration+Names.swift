extension Demonstration {
    /// What dig shows of an answer.
    struct DigAnswer: Hashable, Sendable {
        /// As in `NOERROR`; `nil`: there was no answer.
        let code: String?
        /// The last field of each record of the answer.
        let data: [String]
        /// Extended DNS errors (RFC 8914), as in `17 (Filtered): (reason)`.
        let reasons: [String]
    }

    /// Asks as this source, `resolver` once and over UDP.
    func dig(
        _ name: String, _ type: String = "A", at resolver: String = LabLayout.gatewaySGi, as source: String,
        in namespace: LabLayout.Namespace = .ran
    ) async throws(LabError) -> DigAnswer {
        let output = try await Command(
            ["dig", "+time=2", "+tries=1", "+noall", "+comments", "+answer", "-b", source, "@\(resolver)", name, type],
            in: lab.layout.name(of: namespace)
        ).output().standardOutput
        let lines = output.split(separator: "\n")
        let reasons = lines.compactMap { line in
            line.hasPrefix("; EDE: ") ? String(line.dropFirst("; EDE: ".utf8.count)) : nil
        }
        let records = lines.filter { !$0.hasPrefix(";") }.compactMap { $0.split(whereSeparator: \.isWhitespace).last }
        return DigAnswer(
            code: output.firstMatch(of: /status: ([A-Z]+)/).map { String($0.1) }, data: records.map(String.init),
            reasons: reasons)
    }

    func allowedName() async throws(LabError) -> Sight {
        let device = fleet.acme[20]
        let blocked = try await counter("blocked")
        let answer = try await dig("shop.example.com", as: "\(device.address)")
        let address = answer.data.last ?? "none"
        let page = try await fetch("http://\(address):443/whoami", as: "\(device.address)", in: .ran)
        let lost = try await counter("blocked") - blocked
        return Sight(
            seen: "\(answer.code ?? "no answer"): \(answer.data.joined(separator: ", ")); "
                + (page.map { "HTTP 200 in \($0.time)" } ?? "no answer from there") + "; packets blocked: \(lost)",
            isAsExpected: answer.code == "NOERROR" && answer.data.count == 4 && address == LabLayout.sharedWeb
                && page != nil && lost == 0)
    }

    func refusedName(_ name: String, code: String) async throws(LabError) -> Sight {
        let device = fleet.acme[21]
        let answer = try await dig(name, as: "\(device.address)")
        let control = try await dig(
            name, at: LabLayout.publicResolver, as: LabLayout.internetRouter, in: .inet)
        return Sight(
            seen: "\(answer.code ?? "no answer"), error \(answer.reasons.joined(separator: "; "))",
            notes: ["\(name) on the internet: \(control.data.last ?? "none")"],
            isAsExpected: answer.code == "NXDOMAIN" && answer.data.isEmpty
                && answer.reasons.contains { $0.hasPrefix(code) } && control.data.last == LabLayout.sharedWeb)
    }

    func untoldAddress() async throws(LabError) -> Sight {
        let device = fleet.acme[22]
        let number = LabNames.Zone.manyCount - 1 - Int.random(in: 0..<100)
        let address = LabNames.Zone.manyAddress(number)
        let target = try Self.address(address)
        let sink = try NamespaceSocket(
            .udp, in: lab.layout.name(of: .inet), address: target, port: Fleet.reportPort)
        let socket = try NamespaceSocket(
            .udp, in: lab.layout.name(of: .ran), address: device.address, port: 40_400)
        func arrivals() async throws(LabError) -> Int {
            socket.send([0x6e], to: target, port: Fleet.reportPort)
            try await pause(.milliseconds(200))
            var count = 0
            while sink.receive() != nil { count += 1 }
            return count
        }
        let before = try await arrivals()
        let answer = try await dig("n\(number).many.example.com", as: "\(device.address)")
        let after = try await arrivals()
        return Sight(
            seen: "before, \(before) of 1 arrived at \(address); told \(answer.data.last ?? "nothing"), \(after) of 1",
            isAsExpected: before == 0 && answer.data == [address] && after == 1)
    }

    /// acme's rule has the name; globex may only look it up.
    func othersAddress() async throws(LabError) -> Sight {
        let (device, other) = (fleet.acme[23], fleet.globex[23])
        let url = "http://\(LabLayout.sharedWeb):443/whoami"
        let told = try await dig("shop.example.com", as: "\(device.address)")
        let control = try await fetch(url, as: "\(device.address)", in: .ran)
        let otherTold = try await dig("shop.example.com", as: "\(other.address)")
        let answer = try await fetch(url, as: "\(other.address)", in: .ran)
        return Sight(
            seen: "\(other.address) was told \(otherTold.data.last ?? "nothing") and got "
                + (answer == nil ? "no answer in a second" : "an answer"),
            notes: ["\(device.address), whose policy has the name: \(control == nil ? "no answer" : "an answer")"],
            isAsExpected: told.data.last == LabLayout.sharedWeb && otherTold.data.last == LabLayout.sharedWeb
                && control != nil && answer == nil)
    }

    func publicResolver() async throws(LabError) -> Sight {
        let source = "\(fleet.acme[24].address)"
        let control = try await dig(
            "resolver.example.com", "TXT", at: LabLayout.publicResolver, as: LabLayout.internetRouter, in: .inet)
        let answer = try await dig("resolver.example.com", "TXT", at: LabLayout.publicResolver, as: source)
        let denied = try await dig("ads.tracker.example", at: LabLayout.publicResolver, as: source)
        let heard = (LabFiles.read(lab.layout.log(of: "public-resolver")) ?? "").split(separator: "\n")
            .count { $0.contains(" info: \(LabLayout.edgeOutside) ") }
        return Sight(
            seen:
                "at \(LabLayout.publicResolver) the device is answered \(answer.data.joined()), and for a denied name "
                + "\(denied.code ?? "not at all"); queries heard there: \(heard)",
            notes: ["who asks it from the internet is answered \(control.data.joined())"],
            isAsExpected: control.data == ["\"public\""] && answer.data == ["\"authority\""]
                && denied.code == "NXDOMAIN" && heard == 0)
    }

    func explainedName() async throws(LabError) -> Sight {
        let device = fleet.acme[25]
        _ = try await dig("shop.example.com", as: "\(device.address)")
        let text = try await lab.cli.run([
            "policy", "explain", "--sim", device.sim.imsi, "--to", "\(LabLayout.sharedWeb):443/tcp",
        ])
        let learned = try await lab.cli.run(["dns", "names", "meters", "--tenant", "acme"])
        let lines = text.split(separator: "\n").map { $0.trimmed }
        let row = learned.split(separator: "\n").first {
            $0.contains("shop.example.com ") && $0.contains(LabLayout.sharedWeb)
        }
        return Sight(
            seen: lines.first ?? "nothing",
            notes: lines.dropFirst() + (row.map { ["cordon dns names: \($0.trimmed)"] } ?? []),
            isAsExpected: lines.first?.contains("by rule \"shop\"") == true && row?.firstMatch(of: /20..-..-..T/) != nil
        )
    }
}
