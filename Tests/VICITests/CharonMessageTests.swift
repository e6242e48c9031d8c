import Testing

import VICI

@Suite struct CharonMessageTests {
    /// Forms that no capture has, in the words of strongSwan's source (5.9.8), with made-up values.
    static let others: [(String, CharonMessage)] = [
        (
            "already retried with DH group ECP_384, ignore requested MODP_2048",
            .otherGroupAskedFor(had: "ECP_384", wanted: "MODP_2048")
        ),
        ("requested DH group MODP_1024 not contained in any of our proposals", .groupNotOffered("MODP_1024")),
        ("unable to resolve hq.acme.example, retrying in 30s", .unresolved(name: "hq.acme.example")),
        ("no private key found for 'gw.cordon.example'", .noPrivateKey("gw.cordon.example")),
        ("signature validation failed, looking for another key", .signatureWrong),
        (
            "constraint requires public key authentication, but pre-shared key was used",
            .methodRequired(wanted: "public key", used: "pre-shared key")
        ),
        ("  self-signed certificate \"CN=hq\" is not trusted", .selfSigned(subject: "CN=hq")),
        (
            "certificate was revoked on Jan 01 00:00:00 2026, reason: key compromise",
            .certificateRevoked(at: "Jan 01 00:00:00 2026")
        ),
        ("giving up after 2 retries", .groupNotOffered("")),
        ("no acceptable traffic selectors found", .noSelectors),
        ("IKE_SA rekeying failed, trying again in 12 seconds", .rekeyFailed),
        (
            "deleting duplicate IKE_SA for peer 'hq.acme.example' due to uniqueness policy",
            .replaced(identity: "hq.acme.example")
        ),
    ]

    @Test func `reads every form of its table, from a capture or from the source`() throws {
        let captured = try Capture.names.flatMap { try Capture($0).lines.map(\.text) }
        for entry in CharonMessageTable.entries {
            let sample = (captured + Self.others.map(\.0)).first { text in
                CharonMessageTable.entries.first { $0.pattern.match(Array(text.utf8)) != nil }?.pattern == entry.pattern
            }
            #expect(sample != nil, "\(entry.pattern)")
        }
        for (text, meaning) in Self.others { #expect(CharonMessage(text) == meaning) }
    }

    @Test func `takes what stands in the gaps`() {
        #expect(
            CharonMessage(
                "looking for peer configs matching 192.0.2.1[gw.cordon.example]...192.0.2.2[CN=hq, O=Acme]")
                == .configurationSought(own: "gw.cordon.example", address: "192.0.2.2", peer: "CN=hq, O=Acme"))
        #expect(
            CharonMessage("tried 2 shared keys for 'a' - 'b', but MAC mismatched") == .keyMismatch(own: "a", peer: "b"))
        #expect(
            CharonMessage("traffic selectors 100.64.0.0/24 === 10.9.0.0/24 10.8.0.0/24 unacceptable")
                == .selectorsUnacceptable(own: "100.64.0.0/24", peer: "10.9.0.0/24 10.8.0.0/24"))
    }

    @Test(arguments: [
        "", "*", "'", "received  notify error ", "tried", "looking for peer configs matching []...",
        "IKE_SA vpn-7[1] established", "initiating IKE_SA [ to ", "no shared key found for ' - '",
    ])
    func `takes nothing else`(text: String) {
        #expect(CharonMessage(text) == nil)
    }

    @Test func `does not look at more than 4 KiB of a line`() {
        let long = String(repeating: "x", count: 5000)
        #expect(CharonMessage("received \(long) notify error") == nil)
        #expect(CharonMessage("received \(long.prefix(4000)) notify error") != nil)
    }
}
