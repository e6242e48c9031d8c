import Domain
import Foundation
import Lab
import PKI
import Testing

/// What can be wrong at the other end, done there on purpose: the product says what it is and which end to change.
extension VPNTests {
    struct FaultCase: CustomTestStringConvertible, Sendable {
        enum Caller: Sendable { case gateway, peer }

        let title: String
        let caller: Caller
        /// Replaced in the configuration that is printed for the peer.
        var changes: [(String, String)] = []
        var options: [String] = []
        /// Rules of the firewall before the peer.
        var drops: [String] = []
        let code: String
        /// `nil`: now and then.
        var isUp: Bool? = false
        let happened: [String]
        var cause = ""
        var here = ""
        let there: String

        var testDescription: String { title }
    }

    private static let proposals = "proposals = aes256gcm16-prfsha384-ecp384,aes256gcm16-prfsha384-x25519"
    private static let identity = "\"203.0.113.10\""
    private static let gateway = "\"hq.acme.vpn.operator.example\""

    static let faults: [FaultCase] = [
        FaultCase(
            title: "no IKE proposal in common, the gateway calls", caller: .gateway,
            changes: [("        " + proposals, "        proposals = aes128-sha256-modp2048")], code: "no-ike-proposal",
            happened: ["no IKE proposal (phase 1) in common", "aes256gcm16-prfsha384-ecp384"],
            here: "--profile PROFILE", there: "Offer for IKE: aes256gcm16-prfsha384-ecp384"),
        FaultCase(
            title: "no IKE proposal in common, the peer calls", caller: .peer,
            changes: [("        " + proposals, "        proposals = aes256-sha256-modp2048")], code: "no-ike-proposal",
            happened: ["The gateway: AES_GCM_16_256", "The peer: AES_CBC_256"], here: "--profile compatible",
            there: "Offer for IKE: AES_GCM_16_256"),
        FaultCase(
            title: "no ESP proposal in common", caller: .peer,
            changes: [
                (
                    "esp_proposals = aes256gcm16-ecp384,aes256gcm16-x25519",
                    "esp_proposals = aes128-sha256-modp2048"
                )
            ], code: "no-esp-proposal", happened: ["The gateway: AES_GCM_16_256", "The peer: AES_CBC_128"],
            here: "--profile PROFILE", there: "Offer for ESP: AES_GCM_16_256"),
        FaultCase(
            title: "the peer says it is somebody else", caller: .peer,
            changes: [(identity, "\"other.acme.example\"")], code: "identity",
            happened: ["says it is other.acme.example", "expects 203.0.113.10"], here: "--peer-id 'other.acme.example'",
            there: "Set the local identity to 203.0.113.10"),
        FaultCase(
            title: "the peer expects another gateway", caller: .peer,
            changes: [(gateway, "\"other.operator.example\"")], code: "gateway-identity",
            happened: ["other.operator.example", "hq.acme.vpn.operator.example"],
            there: "Set the remote identity to hq.acme.vpn.operator.example"),
        FaultCase(
            title: "the gateway calls a peer that is somebody else", caller: .gateway,
            changes: [(identity, "\"other.acme.example\"")], code: "peer-refused-authentication",
            happened: ["refused to authenticate"], cause: "another identity", here: "--peer-id IDENTITY",
            there: "be 203.0.113.10"),
        FaultCase(
            title: "another key, the peer calls", caller: .peer, changes: [("secret = \"", "secret = \"x")],
            code: "key", happened: ["203.0.113.10 has another pre-shared key"], here: "cordon vpn rotate-key hq",
            there: "Copy the key again"),
        FaultCase(
            title: "another key, the gateway calls", caller: .gateway, changes: [("secret = \"", "secret = \"x")],
            code: "peer-refused-authentication", happened: ["refused to authenticate"], cause: "Another key",
            here: "cordon vpn rotate-key hq", there: "have the same key"),
        FaultCase(
            title: "other networks, the peer calls", caller: .peer,
            changes: [("local_ts = 10.0.0.0/24", "local_ts = 10.99.0.0/24")], code: "traffic-selectors",
            happened: ["The gateway has 100.64.", "and 10.0.0.0/24 there", "asks for 100.64.", "10.99.0.0/24 there"],
            here: "--remote-network 10.99.0.0/24", there: "Configure 10.0.0.0/24 as its local"),
        FaultCase(
            title: "other networks, the gateway calls", caller: .gateway,
            changes: [("local_ts = 10.0.0.0/24", "local_ts = 10.99.0.0/24")], code: "traffic-selectors",
            happened: ["and 10.0.0.0/24 there", "The peer does not say what it has"], here: "--remote-network NETWORK",
            there: "Configure 10.0.0.0/24 as its local"),
        FaultCase(
            title: "fewer networks", caller: .gateway,
            changes: [("local_ts = 10.0.0.0/24,10.0.9.0/24", "local_ts = 10.0.0.0/24")],
            options: ["--remote-network", "10.0.0.0/24", "--remote-network", "10.0.9.0/24"],
            code: "traffic-selectors-narrowed", isUp: true, happened: ["up, but not for 10.0.9.0/24"],
            here: "--remote-network", there: "Add 10.0.9.0/24"),
        FaultCase(
            title: "UDP 500 answered and not UDP 4500", caller: .gateway, drops: ["udp dport 4500 drop"],
            code: "nat-traversal-port", happened: ["answers on UDP port 500 but not on UDP port 4500"],
            here: "Nothing, if UDP 4500 may leave here", there: "Allow UDP 4500"),
        FaultCase(
            title: "no answer at all", caller: .gateway, drops: ["meta l4proto udp drop"], code: "no-answer",
            happened: ["203.0.113.10 does not answer on UDP port 500"], here: "--peer ADDRESS",
            there: "Allow UDP 500 and 4500"),
    ]

    @Test(arguments: faults)
    func `a fault of the other end is told in words`(_ fault: FaultCase) async throws {
        let rig = try rig()
        let options = fault.options + (fault.caller == .peer ? ["--initiate", "never"] : [])
        try drop(fault.drops, before: rig.lab.enterprise(.acme))
        try await rig.withVPN("hq", options, change: { try Self.change($0, fault.changes) }) { _ in
            try await expect(fault, of: rig, since: fault.caller == .gateway ? Self.now : nil)
        }
    }

    /// Waits until the product says so, in what it says of the VPN and in the diagnosis, and why.
    /// - Parameter time: of a call before it nothing is known: the peer had no configuration then.
    private func expect(_ fault: FaultCase, of rig: VPNRig, since time: Timestamp? = nil) async throws {
        var seen: VPNRig.Diagnosis?
        let isTold = {
            let diagnosis = try await rig.diagnose()
            seen = diagnosis
            guard let first = diagnosis.faults.first else { return false }
            let entry = diagnosis.timeline.first { $0.sentence == first.happened }
            return first.code == fault.code && fault.happened.allSatisfy(first.happened.contains)
                && fault.isUp.map { $0 == diagnosis.vpn.up } ?? true
                && entry.map { entry in time.map { entry.time > "\($0)" } ?? true } ?? false
        }
        do { try await eventually(fault.title, within: .seconds(10), isTold) } catch {
            Issue.record("\(fault.title): \(seen.map { "\($0)" } ?? "nothing")")
            throw error
        }
        let diagnosis = try #require(seen)
        let told = try #require(diagnosis.faults.first)
        #expect(diagnosis.vpn.tunnel.fault == fault.code)
        // Nothing is in everything, which Foundation sees otherwise.
        #expect(fault.cause.isEmpty || told.cause.contains(fault.cause), "\(told.cause)")
        #expect(fault.here.isEmpty || told.here.contains(fault.here), "\(told.here)")
        #expect(told.there.contains(fault.there), "\(told.there)")
    }

    private static var now: Timestamp { day(0) }

    /// So many days from now.
    private static func day(_ count: Int64) -> Timestamp {
        Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1000) + count * 86_400_000)
    }

    /// Replaces parts of a configuration, of which each must be there.
    static func change(_ text: String, _ changes: [(String, String)]) throws -> String {
        try changes.reduce(text) { text, change in
            try #require(text.contains(change.0), "not printed: \(change.0)")
            return text.replacing(change.0, with: change.1)
        }
    }

    /// In the firewall of the enterprise, until its end of the VPN is made anew.
    func drop(_ rules: [String], before enterprise: LabEnterprise) throws {
        let lines = rules.joined(separator: "\n")
        try output(
            of: """
                ip netns exec \(enterprise.namespace) nft -f - <<'END'
                table ip before
                delete table ip before
                table ip before {
                    chain input {
                        type filter hook input priority 0; policy accept;
                        \(lines)
                    }
                }
                END
                """)
    }

    // MARK: Certificates

    private static let holder = "203.0.113.10"

    @Test func `a certificate of an authority that nobody named is told`() async throws {
        let now = Self.now
        let stranger = try CertificateAuthority(for: try Name(parsing: "stranger"), at: now)
        let credential = try stranger.issue(
            to: CertificateAuthority.Holder(try IKEIdentity(parsing: Self.holder)), key: .p384, at: now)
        let rig = try rig()
        try await rig.withVPN(
            "hq", ["--auth", "certificate", "--initiate", "never"],
            handover: { made in
                #expect(made.certificate != nil && made.privateKey != nil && made.key == nil)
                return LabEnterprise.Handover(
                    certificate: credential.certificate.pem, privateKey: Self.text(credential.key.pem),
                    authority: made.authority)
            }
        ) { _ in
            try await expect(
                FaultCase(
                    title: "another authority", caller: .peer, code: "certificate-untrusted",
                    happened: ["203.0.113.10", "is not trusted", "stranger VPN CA"], here: "cordon vpn authority set",
                    there: "Use a certificate of the agreed authority"), of: rig)
        }
    }

    @Test func `a certificate that has expired is told, with the day`() async throws {
        let own = try CertificateAuthority(
            for: try Name(parsing: "globex"), at: Self.day(-30))
        let credential = try own.issue(
            to: CertificateAuthority.Holder(try IKEIdentity(parsing: Self.holder)), key: .p384,
            at: Self.day(-20), lifetime: .seconds(10 * 86_400))
        let rig = try rig()
        let set = ["vpn", "authority", "set", "-", "--tenant", "acme"]
        try await rig.lab.cli.run(set, input: own.certificate.pem)
        let outcome: Result<Void, any Error>
        do {
            try await rig.withVPN(
                "hq", ["--auth", "certificate", "--initiate", "never"],
                handover: { made in
                    #expect(made.certificate == nil && made.privateKey == nil)
                    return LabEnterprise.Handover(
                        certificate: credential.certificate.pem, privateKey: Self.text(credential.key.pem),
                        authority: made.authority)
                }
            ) { _ in
                try await expect(
                    FaultCase(
                        title: "an expired certificate", caller: .peer, code: "certificate-expired",
                        happened: ["203.0.113.10", "expired on"], here: "Check the clock",
                        there: "Give the peer a certificate that is valid now"), of: rig)
            }
            outcome = .success(())
        } catch { outcome = .failure(error) }
        try await rig.lab.cli.run(["vpn", "authority", "clear", "--tenant", "acme"])
        try outcome.get()
    }

    private static func text(_ secret: Secret) -> String { String(decoding: secret.bytes, as: UTF8.self) }

    @Test func `both ends prove themselves by certificates as they are handed out`() async throws {
        let rig = try rig()
        try await rig.withVPN("hq", ["--auth", "certificate"]) { _ in
            try await rig.awaitUp()
            try await rig.route("10.0.0.0/24", by: "vpn:hq", of: "acme")
            #expect(try await NumberedFlow.passes(from: rig.acme[0], to: .acme, in: rig.lab))
        }
    }

    // MARK: What happens to one that is up

    @Test func `a peer that stops answering is told, and that it was up until then`() async throws {
        let rig = try rig()
        // Called by the peer, so that nothing that the gateway tries afterwards is told in its place.
        try await rig.withVPN("hq", ["--initiate", "never"]) { enterprise in
            try await rig.awaitUp()
            try drop(["meta l4proto udp drop"], before: enterprise)
            let time = try await eventually("it is down", within: VPNRig.deadPeerTime + .seconds(2)) {
                try await !rig.show().up
            }
            try await expect(
                FaultCase(
                    title: "dead peer", caller: .peer, code: "dead-peer",
                    happened: ["203.0.113.10 stopped answering"], here: "use its name or any",
                    there: "Check that it is on and connected"), of: rig)
            print("a silent peer was taken for dead after \(time.inSeconds)")
        }
    }

    @Test func `two devices that take turns with one identity are told`() async throws {
        let rig = try rig()
        let backup = rig.lab.enterprise(.acmeBackup)
        let options = ["--peer", "any", "--peer-id", "fw.acme.example", "--initiate", "never"]
        var copy = ""
        try await rig.withVPN(
            "hq", options,
            change: { text in
                copy = text; return text
            }
        ) { enterprise in
            try await rig.awaitUp()
            try await backup.load(copy)
            try await eventually("the copy has taken over", within: .seconds(5)) {
                try await rig.show().tunnel.peerSeen?.address == backup.place.address
            }
            // The first one finds that out when it asks whether the gateway is there, or when it is turned off and on.
            try await enterprise.killGateway()
            try await enterprise.startGateway()
            try await enterprise.reload()
            let outcome: Result<Void, any Error>
            do {
                try await expect(
                    FaultCase(
                        title: "duplicate peer", caller: .peer, code: "duplicate-peer", isUp: nil,
                        happened: ["take turns as fw.acme.example", "203.0.113.10 port", "203.0.113.13 port"],
                        here: "Make a VPN for each device", there: "Turn one off"), of: rig)
                outcome = .success(())
            } catch { outcome = .failure(error) }
            try await backup.stopGateway()
            try await backup.startGateway()
            try outcome.get()
        }
    }
}
