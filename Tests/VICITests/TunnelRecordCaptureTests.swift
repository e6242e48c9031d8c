import Domain
import Testing
import VICI

@Suite("TunnelRecord, replaying a real charon") struct TunnelRecordCaptureTests {
    struct Case: CustomTestStringConvertible {
        let capture: String
        let state: TunnelRecord.State
        var code: String?
        /// A part of what the fault's sentences say.
        var says: [String] = []
        var peer = "192.0.2.2"
        var identity = "hq.acme.example"
        var networks = ["10.0.0.0/24"]
        var authentication = Tunnel.Authentication.sharedKey
        var testDescription: String { capture }
    }

    static let proposals = [
        Case(
            capture: "ike-proposal-initiator", state: .down, code: "no-ike-proposal",
            says: ["no IKE proposal (phase 1)", "aes256gcm16-prfsha384-ecp384", "no connection configured"]),
        Case(
            capture: "ike-proposal-responder", state: .down, code: "no-ike-proposal",
            says: [
                "The gateway: AES_GCM_16_256/PRF_HMAC_SHA2_384/ECP_384.",
                "The peer: AES_CBC_128/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/MODP_2048.",
            ]),
        Case(
            capture: "esp-proposal-initiator", state: .down, code: "no-esp-proposal",
            says: ["no ESP proposal (phase 2)", "aes256gcm16-ecp384"]),
        Case(
            capture: "esp-proposal-responder", state: .down, code: "no-esp-proposal",
            says: [
                "The gateway: AES_GCM_16_256/ECP_384/NO_EXT_SEQ.",
                "The peer: AES_CBC_128/HMAC_SHA2_256_128/NO_EXT_SEQ.",
            ]),
        Case(capture: "key-exchange-initiator", state: .down, code: "no-ike-proposal"),
        Case(capture: "key-exchange-responder", state: .down, code: "no-ike-proposal", says: ["MODP_2048"]),
        Case(capture: "key-exchange-retried", state: .up),
        Case(
            capture: "rekey-esp-proposal", state: .up, code: "no-esp-proposal",
            says: ["for new keys", "perfect forward secrecy", "The peer: AES_GCM_16_256/MODP_2048/NO_EXT_SEQ."]),
        Case(
            capture: "selectors-initiator", state: .down, code: "traffic-selectors",
            says: ["100.64.0.0/24 here and 10.0.0.0/24 there", "does not say"]),
        Case(
            capture: "selectors-responder", state: .down, code: "traffic-selectors",
            says: ["The peer asks for 100.64.0.0/24 here and 10.9.0.0/24 there", "--remote-network 10.9.0.0/24"]),
        Case(
            capture: "narrowed-initiator", state: .up, code: "traffic-selectors-narrowed",
            says: ["up, but not for 10.0.0.0/16"], networks: ["10.0.0.0/16"]),
        Case(
            capture: "narrowed-responder", state: .up, code: "traffic-selectors-narrowed",
            says: ["--pair-selectors"], networks: ["10.0.0.0/16"]),
        Case(capture: "not-installed", state: .down, code: "not-installed", says: ["IPsec policies (SPD)"]),
    ]

    static let authentication = [
        Case(
            capture: "key-initiator", state: .down, code: "peer-refused-authentication",
            says: ["IKE does not say which", "gw.cordon.example"]),
        Case(
            capture: "key-responder", state: .down, code: "key",
            says: ["hq.acme.example has another pre-shared key", "cordon vpn rotate-key NAME"]),
        Case(capture: "key-missing-initiator", state: .down, code: "key-missing"),
        Case(capture: "key-missing-responder", state: .down, code: "key-missing", says: ["hq.acme.example"]),
        Case(capture: "peer-identity-initiator", state: .down, code: "peer-refused-authentication"),
        Case(
            capture: "peer-identity-responder", state: .down, code: "identity",
            says: [
                "says it is other.acme.example, and the gateway expects hq.acme.example",
                "--peer-id 'other.acme.example'",
            ]),
        Case(
            capture: "peer-identity-unsent-initiator", state: .down, code: "identity",
            says: ["says it is other.acme.example"]),
        Case(capture: "own-identity-initiator", state: .down, code: "peer-refused-authentication"),
        Case(
            capture: "own-identity-responder", state: .down, code: "gateway-identity",
            says: ["asks for a gateway that is gw.other.example, and this one is gw.cordon.example"]),
        Case(capture: "authentication-method-initiator", state: .down, code: "peer-refused-authentication"),
        Case(
            capture: "authentication-method-responder", state: .down, code: "authentication-method",
            says: ["a pre-shared key", "--auth certificate"]),
        Case(
            capture: "authentication-method-certificate-initiator", state: .down, code: "peer-refused-authentication",
            authentication: .certificate),
        Case(
            capture: "authentication-method-certificate-responder", state: .down, code: "authentication-method",
            says: ["--auth psk"], authentication: .certificate),
    ]

    static let certificates = [
        Case(
            capture: "certificate-untrusted-initiator", state: .down, code: "certificate-untrusted",
            says: ["certificate of CN=hq, O=Acme, issued by CN=ca2, O=Test, is not trusted"]),
        Case(capture: "certificate-untrusted-responder", state: .down, code: "certificate-untrusted", says: ["CN=ca2"]),
        Case(
            capture: "certificate-expired-initiator", state: .down, code: "certificate-expired",
            says: ["expired on Jan 01 00:00:00 2021"]),
        Case(capture: "certificate-expired-responder", state: .down, code: "certificate-expired"),
        Case(
            capture: "certificate-future-initiator", state: .down, code: "certificate-not-yet-valid",
            says: ["only from Jan 01 00:00:00 2040"]),
        Case(capture: "certificate-future-responder", state: .down, code: "certificate-not-yet-valid"),
        Case(
            capture: "certificate-subject-initiator", state: .down, code: "certificate-subject",
            says: ["is of CN=hq, O=Beta"], identity: "CN=hq, O=Acme"),
        Case(
            capture: "certificate-subject-responder", state: .down, code: "certificate-subject",
            says: ["is of CN=hq, O=Beta, and the gateway expects CN=hq, O=Acme"], identity: "CN=hq, O=Acme"),
        Case(
            capture: "certificate-other-authority-initiator", state: .down, code: "certificate-untrusted",
            says: ["issued by CN=ca2"]),
        Case(capture: "certificate-other-authority-responder", state: .down, code: "certificate-untrusted"),
        Case(capture: "certificate-up-initiator", state: .up),
        Case(
            capture: "certificate-ours-refused-initiator", state: .down, code: "peer-refused-authentication",
            says: ["did not issue the gateway's certificate"]),
        Case(
            capture: "certificate-ours-refused-responder", state: .down, code: "peer-refused-authentication",
            says: ["Trust the authority"]),
    ]

    static let reachability = [
        Case(capture: "up-initiator", state: .up), Case(capture: "up-responder", state: .up),
        Case(capture: "rekeyed", state: .up), Case(capture: "garbage", state: .negotiating),
        Case(
            capture: "no-answer", state: .noAnswer, code: "no-answer",
            says: ["192.0.2.2 does not answer on UDP port 500", "--peer ADDRESS"]),
        Case(capture: "port-unreachable", state: .noAnswer, code: "no-answer"),
        Case(
            capture: "host-unreachable", state: .noAnswer, code: "no-answer", says: ["192.0.2.77"], peer: "192.0.2.77"),
        Case(capture: "no-route", state: .noAnswer, code: "no-answer", peer: "198.51.100.1"),
        Case(capture: "slow", state: .negotiating),
        Case(
            capture: "port-4500-initiator", state: .down, code: "nat-traversal-port",
            says: ["answers on UDP port 500 but not on UDP port 4500"]),
        Case(
            capture: "port-4500-responder", state: .down, code: "nat-traversal-port",
            says: ["did not go on to UDP port 4500"]),
        Case(
            capture: "name-unresolved", state: .down, code: "name-unresolved", says: ["nosuch.invalid"],
            peer: "nosuch.invalid"),
        Case(capture: "dead-peer", state: .down, code: "dead-peer", says: ["192.0.2.2 stopped answering"]),
        Case(capture: "peer-deletes", state: .down, code: "peer-deleted", says: ["The peer closed the tunnel."]),
        Case(capture: "peer-deletes-child", state: .down, code: "peer-deleted", says: ["kept the IKE_SA"]),
        Case(capture: "we-delete", state: .down),
        Case(
            capture: "duplicate-peer", state: .up, code: "duplicate-peer",
            says: [
                "Two devices take turns as hq.acme.example: 192.0.2.2 port 4500, 192.0.2.3 port "
                    + "4500."
            ], peer: "any"),
        Case(capture: "dropped", state: .up),
    ]

    @Test(arguments: proposals + authentication + certificates + reachability)
    func `says what was wrong`(_ sample: Case) throws {
        let byCertificate = sample.authentication == .certificate || sample.capture.hasPrefix("certificate")
        var replay = Replay(
            try .lab(
                peer: sample.peer, identity: sample.identity, networks: sample.networks,
                authentication: byCertificate ? .certificate : .sharedKey))
        replay.run(try Capture(sample.capture))
        let record = replay.record
        #expect(record.state == sample.state)
        #expect(record.fault?.code == sample.code)
        if let words = record.fault?.words {
            let all = [words.happened, words.cause, words.gateway, words.peer].joined(separator: "\n")
            for part in sample.says { #expect(all.contains(part), "\(all)") }
            #expect(record.timeline.entries.contains { $0.sentence == words.happened })
        }
    }

    @Test func `takes each way of failing from a capture`() throws {
        let tested = (Self.proposals + Self.authentication + Self.certificates + Self.reachability).map(\.capture)
        // The other's peer is not this VPN's.
        #expect(try Set(Capture.names).subtracting(tested) == ["unknown-peer"])
        #expect(tested.count == 57)
    }

    @Test(arguments: ["peer", "gateway"])
    func `keeps its conclusion when neighbouring lines change places`(_ side: String) throws {
        for sample in Self.proposals + Self.authentication + Self.certificates
        where sample.capture.hasSuffix(side == "peer" ? "responder" : "initiator") {
            let capture = try Capture(sample.capture)
            let byCertificate = sample.authentication == .certificate || sample.capture.hasPrefix("certificate")
            for step in capture.events.indices.dropLast() {
                guard case .line = capture.events[step].event, case .line = capture.events[step + 1].event,
                    capture.events[step + 1].milliseconds - capture.events[step].milliseconds <= 1
                else { continue }
                var replay = Replay(
                    try .lab(
                        peer: sample.peer, identity: sample.identity, networks: sample.networks,
                        authentication: byCertificate ? .certificate : .sharedKey))
                var swapped = capture
                swapped.swap(step)
                replay.run(swapped)
                #expect(replay.record.fault?.code == sample.code, "\(sample.capture), \(step)")
                #expect(replay.record.state == sample.state, "\(sample.capture), \(step)")
            }
        }
    }
}
