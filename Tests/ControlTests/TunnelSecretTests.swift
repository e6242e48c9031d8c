import Control
import Domain
import Foundation
import Logging
import PKI
import PeerGuides
import PolicyCompiler
import Store
import Synchronization
import Testing
import VICI

/// What the ends of tunnels prove themselves by, and who may know of them.
@Suite struct TunnelSecretTests {
    private typealias Cases = TunnelUseCaseTests

    /// A clock that goes on by itself, and leaps when told.
    private final class LeapingClock: Sendable {
        private let leap = Mutex<Int64>(0)
        var now: Timestamp {
            Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1000) + leap.withLock { $0 })
        }
        func advance(seconds: Int64) { leap.withLock { $0 += seconds * 1000 } }
    }

    /// Keeps every line, with its metadata.
    private final class Journal: Sendable {
        private let stored = Mutex<[String]>([])
        var text: String { stored.withLock { $0.joined(separator: "\n") } }
        func note(_ line: String) { stored.withLock { $0.append(line) } }

        var logger: Logger { Logger(label: "test") { _ in Handler(journal: self) } }

        private struct Handler: LogHandler {
            let journal: Journal
            var metadata: Logger.Metadata = [:]
            var logLevel = Logger.Level.trace
            subscript(metadataKey key: String) -> Logger.Metadata.Value? {
                get { metadata[key] }
                set { metadata[key] = newValue }
            }
            func log(event: LogEvent) { journal.note("\(event.message) \(event.metadata ?? [:])") }
        }
    }

    @Test func `a new key is taken at once, the old one in turn, and not for longer than is said`() async throws {
        let (daemon, clock) = (ScriptedDaemon(), LeapingClock())
        try await Bench.run(now: { clock.now }, tunnels: try daemon.support()) { bench in
            let (control, acme, hq) = (bench.control, try Cases.name("acme"), try Cases.name("hq"))
            _ = try await bench.tenant("acme")
            let made = try await control.createTunnel(hq, of: acme, try Cases.tunnel(), by: .system)
            let identifier = "vpn-\(made.vpn.vpn.id)"
            try await Cases.eventually("up") { daemon.now.up.count == 1 }
            let old = try #require(made.key?.bytes)
            let rotated = try await control.rotateKey(of: hq, of: acme, overlap: .seconds(60), by: .system)
            let new = try #require(rotated.key?.bytes)
            #expect(new.count == 52 && new != old && rotated.vpn.tunnel?.keys.count == 2)
            try await Cases.eventually("the new key") { Array(daemon.now.keys.values) == [new] }
            // What is up goes on.
            #expect(!daemon.now.requests.contains { $0.hasPrefix("terminate") } && daemon.now.up.count == 1)
            // The peer has the old one still.
            daemon.change { $0.keysOfPeers = [identifier: old] }
            daemon.end(identifier)
            try await Cases.eventually("up by the old key") { daemon.now.up.count == 1 }
            #expect(Array(daemon.now.keys.values) == [old])
            try await control.forgetRetiredKeys()
            #expect(try await bench.store.read { store in try store.allVPNKeys().count } == 2)
            clock.advance(seconds: 61)
            try await control.forgetRetiredKeys()
            #expect(try await bench.store.read { store in try store.allVPNKeys().map(\.key.bytes) } == [new])
            try await Cases.eventually("the old key is forgotten") { Array(daemon.now.keys.values) == [new] }
            // Without an overlap the old one goes at once.
            let last = try await control.rotateKey(of: hq, of: acme, overlap: .zero, by: .system)
            #expect(try await bench.store.read { store in try store.allVPNKeys().map(\.key) } == [last.key])
        }
    }

    @Test func `another tenant neither sees, nor names, nor changes it`() async throws {
        try await Cases.run { bench, daemon in
            let (control, acme, hq) = (bench.control, try Cases.name("acme"), try Cases.name("hq"))
            _ = try await control.createTunnel(hq, of: acme, try Cases.tunnel(), by: .system)
            let globex = try #require(
                try await bench.store.read { store in try store.tenant(named: try Name(parsing: "globex")) })
            let stranger = Principal(name: "globex", role: .tenant(globex.id))
            _ = daemon.takeRequests()
            for tenant in [acme, globex.name] {
                let refused = [
                    await Cases.failure { try await control.vpn(hq, of: tenant, by: stranger) },
                    await Cases.failure {
                        try await control.updateTunnel(hq, of: tenant, by: stranger) { before throws(ControlError) in
                            before
                        }
                    },
                    await Cases.failure { try await control.deleteVPN(hq, of: tenant, by: stranger) },
                    await Cases.failure {
                        try await control.rotateKey(of: hq, of: tenant, overlap: .zero, by: stranger)
                    },
                    await Cases.failure { try await control.restartTunnel(hq, of: tenant, by: stranger) },
                    await Cases.failure { try await control.diagnoseTunnel(hq, of: tenant, by: stranger) },
                    await Cases.failure { try await control.nextSteps(of: hq, tenant, by: stranger) },
                    await Cases.failure {
                        try await control.peerConfiguration(of: hq, tenant, for: .strongswan, key: nil, by: stranger)
                    },
                ]
                for error in refused {
                    #expect(error?.code == .notFound)
                    #expect(error?.detail == "there is no \(tenant == acme ? "tenant acme" : "VPN hq")")
                }
            }
            let others = [
                await Cases.failure { try await control.vpns(of: acme, by: stranger) },
                await Cases.failure { try await control.authorities(of: acme, by: stranger) },
                await Cases.failure { try await control.setAuthorities(nil, of: acme, by: stranger) },
                await Cases.failure {
                    try await control.createTunnel(try Cases.name("x"), of: acme, try Cases.tunnel(), by: stranger)
                },
                await Cases.failure {
                    try await control.checkTunnel(hq, of: acme, try Cases.tunnel(), by: stranger)
                },
            ]
            for error in others { #expect(error?.code == .notFound) }
            #expect(try await control.vpns(of: globex.name, by: stranger).isEmpty)
            try await Cases.eventually("up") { daemon.now.up.count == 1 }
            #expect(try await control.vpn(hq, of: acme, by: .system).vpn.tunnel == (try Cases.tunnel()))
        }
    }

    @Test func `no key is in a log, an error, the audit or a later answer`() async throws {
        let (daemon, journal) = (ScriptedDaemon(), Journal())
        daemon.change { $0.refusals = 1 }
        try await Bench.run(tunnels: try daemon.support(), logger: journal.logger) { bench in
            let (control, acme, hq) = (bench.control, try Cases.name("acme"), try Cases.name("hq"))
            _ = try await bench.tenant("acme")
            var secrets: [[UInt8]] = []
            let made = try await control.createTunnel(hq, of: acme, try Cases.tunnel(), by: .system)
            secrets.append(try #require(made.key?.bytes))
            try await Cases.eventually("up") { daemon.now.up.count == 1 }
            secrets.append(
                try #require(
                    try await control.rotateKey(of: hq, of: acme, overlap: .seconds(9), by: .system).key?.bytes))
            let certified = try await control.updateTunnel(hq, of: acme, by: .system) { before throws(ControlError) in
                Tunnel(peer: before.peer, networks: before.networks, authentication: .certificate)
            }
            secrets.append(try #require(certified.privateKey?.der.bytes))
            secrets.append(
                try #require(certified.privateKey?.pem.bytes.split(separator: 10).dropFirst().first.map(Array.init)))
            try await Cases.eventually("loaded") { !daemon.now.privateKeys.isEmpty }
            secrets += daemon.now.privateKeys
            let again = await Cases.failure {
                try await control.createTunnel(hq, of: acme, try Cases.tunnel(), by: .system)
            }
            var said = [journal.text, "\(String(describing: again))"]
            for value: Any in [
                made, certified, try await control.vpn(hq, of: acme, by: .system),
                try await control.vpns(of: acme, by: .system),
                try await control.diagnoseTunnel(hq, of: acme, by: .system),
                try await control.authorities(of: acme, by: .system),
                try await control.peerConfiguration(of: hq, acme, for: .strongswan, key: nil, by: .system),
                try await bench.store.read { store in try store.audit(before: nil, limit: 100) },
                control.tunnels.states { _ in true },
            ] {
                var text = ""
                dump(value, to: &text)
                said += [text, "\(value)"]
            }
            #expect(said[0].contains("did not take a change"))
            for secret in secrets {
                let texts = [
                    String(decoding: secret, as: UTF8.self), Data(secret).base64EncodedString(),
                    secret.map { String($0) }.joined(separator: ", "),
                ]
                for text in texts { #expect(!said.contains { $0.contains(text) }) }
            }
            // At rest they are sealed.
            let directory = bench.directory
            for file in try FileManager.default.contentsOfDirectory(atPath: directory) {
                guard let data = FileManager.default.contents(atPath: directory + "/" + file) else { continue }
                for secret in secrets { #expect(data.range(of: Data(secret)) == nil, "\(file)") }
            }
        }
    }

    @Test func `certificates are of the tenant's authority, with the peer's own key where it asks with one`()
        async throws
    {
        try await Cases.run { bench, daemon in
            let (control, acme) = (bench.control, try Cases.name("acme"))
            let make = { (name: String, place: Int, request: CertificateRequest?) in
                try await control.createTunnel(
                    try Cases.name(name), of: acme,
                    try Cases.tunnel(
                        ["10.0.\(place).0/24"], peer: "203.0.113.\(10 + place)", authentication: .certificate),
                    request: request, by: .system)
            }
            let first = try await make("first", 0, nil)
            let (certificate, authority) = (try #require(first.certificate), try #require(first.authority))
            #expect(first.key == nil && certificate.issuer == authority.subject && authority.isSelfSigned)
            #expect(try certificate.fits(try #require(first.privateKey)))
            #expect(certificate.alternativeNames.map { "\($0)" }.contains { $0.contains("203.0.113.10") })
            let request = try CertificateRequest(parsing: Array(Self.request.utf8))
            let second = try await make("second", 1, request)
            #expect(second.privateKey == nil && second.certificate?.keyFingerprint == request.keyFingerprint)
            #expect(second.authority == authority)
            try await Cases.eventually("up") { daemon.now.up.count == 2 }
            #expect(Array(daemon.now.authorities.values) == [authority.der])
            // The tenant's own takes the place of Cordon's.
            let own = try CertificateAuthority(for: try Cases.name("acme-it"), at: control.now())
            let bundle = try AuthorityBundle(parsing: Array(own.certificate.pem.utf8), at: control.now())
            try await control.setAuthorities(bundle, of: acme, by: .system)
            try await Cases.eventually("trusted") {
                daemon.now.plans.values.allSatisfy {
                    $0.credentials.authorities == [own.certificate.der]
                }
            }
            let third = try await make("third", 2, nil)
            #expect(third.certificate == nil && third.privateKey == nil && third.authority == authority)
            let listed = try await control.authorities(of: acme, by: .system)
            #expect(Set(listed.map(\.isMade)) == [true, false] && listed.count == 2)
            try await control.setAuthorities(nil, of: acme, by: .system)
            try await Cases.eventually("Cordon's again") {
                daemon.now.plans.values.allSatisfy { $0.credentials.authorities == [authority.der] }
            }
        }
    }

    @Test func `an authority is replaced with an overlap, in which both are believed`() async throws {
        let (daemon, clock) = (ScriptedDaemon(), LeapingClock())
        try await Bench.run(now: { clock.now }, tunnels: try daemon.support()) { bench in
            let (control, acme) = (bench.control, try Cases.name("acme"))
            _ = try await bench.tenant("acme")
            let refused = await Cases.failure {
                try await control.rotateAuthority(of: acme, overlap: .seconds(60), by: .system)
            }
            #expect(refused?.code == .conflict)
            let made = try await control.createTunnel(
                try Cases.name("hq"), of: acme, try Cases.tunnel(authentication: .certificate), by: .system)
            try await Cases.eventually("up") { daemon.now.up.count == 1 }
            let old = try #require(made.authority)
            let shown = { try await bench.store.read { store in try store.vpnCertificates(of: made.vpn.vpn.id) } }
            let issuing = {
                try await bench.store.read { store in try store.allTenantAuthorities() }.first { $0.retiresAt == nil }?
                    .id
            }
            let believed = { Set(daemon.now.plans.values.flatMap(\.credentials.authorities)) }
            let first = try await shown()
            let new = try await control.rotateAuthority(of: acme, overlap: .seconds(3600), by: .system)
            #expect(new.isMade && new.retiresAt == nil && new.certificate != old)
            try await Cases.eventually("both") { believed() == [old.der, new.certificate.der] }
            // Peers do not know the new one yet.
            #expect(try await shown() == first)
            let next = try await control.createTunnel(
                try Cases.name("backup"), of: acme,
                try Cases.tunnel(["10.0.1.0/24"], peer: "203.0.113.13", authentication: .certificate), by: .system)
            #expect(next.authority == new.certificate && next.certificate?.issuer == new.certificate.subject)
            clock.advance(seconds: 1800)
            try await control.forgetRetiredAuthorities()
            #expect(try await control.authorities(of: acme, by: .system).count == 2)
            clock.advance(seconds: 1801)
            try await control.forgetRetiredAuthorities()
            #expect(try await control.authorities(of: acme, by: .system).map(\.certificate) == [new.certificate])
            try await Cases.eventually("the new one alone") { believed() == [new.certificate.der] }
            let second = try await shown()
            #expect(second.count == 1 && second.first?.key != first.first?.key)
            #expect(try await second.first?.authority == issuing())

            // At once: what a leaked key needs.
            let last = try await control.rotateAuthority(of: acme, overlap: .zero, by: .system)
            try await Cases.eventually("the last one alone") { believed() == [last.certificate.der] }
            #expect(try await shown().first?.authority == issuing())
        }
    }

    @Test func `the gateway's certificate is made anew before its time is over, and not sooner`() async throws {
        let (daemon, clock) = (ScriptedDaemon(), LeapingClock())
        try await Bench.run(now: { clock.now }, tunnels: try daemon.support()) { bench in
            let (control, acme, hq) = (bench.control, try Cases.name("acme"), try Cases.name("hq"))
            _ = try await bench.tenant("acme")
            let made = try await control.createTunnel(
                hq, of: acme, try Cases.tunnel(authentication: .certificate), by: .system)
            try await Cases.eventually("up") { daemon.now.up.count == 1 }
            let certificates = {
                try await bench.store.read { store in try store.vpnCertificates(of: made.vpn.vpn.id) }
            }
            let first = try #require(try await certificates().first)
            clock.advance(seconds: 397 * 86_400 * 2 / 3 - 86_400)
            try await control.renewCertificates()
            #expect(try await certificates() == [first])
            clock.advance(seconds: 2 * 86_400)
            try await control.renewCertificates()
            let second = try #require(try await certificates().first)
            #expect(try await certificates().count == 1 && second.id != first.id && second.authority == first.authority)
            #expect(second.expiresAt > first.expiresAt && second.key != first.key)
            try await Cases.eventually("loaded, and up again") {
                daemon.now.privateKeys.last == second.key.bytes && daemon.now.up.count == 1
            }
        }
    }

    @Test func `that a peer's certificate ends is told in time, and a new one is another`() async throws {
        let (daemon, clock) = (ScriptedDaemon(), LeapingClock())
        try await Bench.run(now: { clock.now }, tunnels: try daemon.support()) { bench in
            let (control, acme, hq) = (bench.control, try Cases.name("acme"), try Cases.name("hq"))
            let tenant = try await bench.tenant("acme")
            let made = try await control.createTunnel(
                hq, of: acme, try Cases.tunnel(authentication: .certificate), by: .system)
            let end = try #require(made.certificate).notAfter
            let told = {
                try await bench.store.read { store in
                    try store.events(
                        EventFilter(.tenant(tenant.id), codes: [.vpnCertificateExpiring]), after: 0, limit: 100
                    ).events
                }
            }
            let advance = { (end: Timestamp, days: Int64) in
                // A second more than that many days before, at most.
                clock.advance(seconds: (end.milliseconds - clock.now.milliseconds) / 1000 - days * 86_400 + 1)
            }
            // Days before its end, and how often it was told by then.
            let cases: [(days: Int64, count: Int)] = [(31, 0), (30, 1), (20, 1), (7, 2), (1, 3), (-1, 3)]
            for one in cases {
                advance(end, one.days)
                try await control.warnOfPeerCertificates()
                try await control.warnOfPeerCertificates()
                #expect(try await told().count == one.count, "\(one.days)")
            }
            let first = try #require(try await told().first)
            let words = first.news.words
            #expect(words.contains("ends at \(end)") && words.contains("cordon vpn rotate-key hq"))

            let next = try await control.rotateKey(of: hq, of: acme, overlap: .zero, by: .system)
            let later = try #require(next.certificate).notAfter
            advance(later, 29)
            try await control.warnOfPeerCertificates()
            #expect(try await told().count == 4)
            // One that is gone has nothing that ends.
            try await control.deleteVPN(hq, of: acme, by: .system)
            advance(later, -1)
            try await control.warnOfPeerCertificates()
            #expect(try await told().count == 4)
        }
    }

    @Test func `a tenant's new block is in its tunnels' selectors, and not in another's`() async throws {
        let daemon = ScriptedDaemon()
        // Two devices to a block.
        try await Bench.run(blockLength: 30, tunnels: try daemon.support()) { bench in
            let (control, acme) = (bench.control, try Cases.name("acme"))
            _ = try await bench.tenant("acme", sims: 3)
            _ = try await bench.tenant("globex")
            let own = try await control.createTunnel(try Cases.name("hq"), of: acme, try Cases.tunnel(), by: .system)
            let other = try await control.createTunnel(
                try Cases.name("hq"), of: try Cases.name("globex"), try Cases.tunnel(), by: .system)
            let blocks = { (made: ControlPlane.TunnelHandover) in
                daemon.now.plans["vpn-\(made.vpn.vpn.id)"]?.localBlocks.count
            }
            try await Cases.eventually("up") { daemon.now.up.count == 2 }
            for number in 0..<2 { _ = try await bench.attach(try Bench.imsi(number)) }
            #expect(blocks(own) == 1)
            guard case .accept(let address, _) = try await bench.attach(try Bench.imsi(2)) else {
                Issue.record("not admitted")
                return
            }
            try await Cases.eventually("two blocks") { blocks(own) == 2 && daemon.now.up.count == 2 }
            let entry = bench.kernel.now.vpns[own.vpn.vpn.number]?.tunnel
            #expect(entry?.blocks.contains { $0.contains(address) } == true && blocks(other) == 1)
        }
    }

    /// By openssl, for somebody else; see PKITests' Fixtures.
    private static let request = """
        -----BEGIN CERTIFICATE REQUEST-----
        MIIBIDCByAIBADAiMREwDwYDVQQKDAhTb21lYm9keTENMAsGA1UEAwwEZWxzZTBZ
        MBMGByqGSM49AgEGCCqGSM49AwEHA0IABDCZdXV5gDVupPjoGlwiAndLt9V2+tDj
        iqAkUZQrHmgfN80zFNFT/aqWTJB6JKNScAPbLZC9lSbmNSwDSXPkWwqgRDBCBgkq
        hkiG9w0BCQ4xNTAzMA8GA1UdEwEB/wQFMAMBAf8wIAYDVR0RBBkwF4IVc29tZWJv
        ZHkuZWxzZS5leGFtcGxlMAoGCCqGSM49BAMCA0cAMEQCIBAwa62WDDFakmeWkTu6
        Ls+E9GmeUAvY5/iPFHAVMmvVAiAXO6yoo3TVH6s07Em1RBk9Iy7m/Daw5C5fJIuB
        BBnuzA==
        -----END CERTIFICATE REQUEST-----
        """
}

extension TunnelPlan.Credentials {
    var authorities: [[UInt8]] {
        if case .certificate(_, let authorities) = self { authorities } else { [] }
    }
}
