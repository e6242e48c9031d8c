import Domain
import Foundation
import Glibc
import Logging
import NIOPosix
import PKI
import Servers
import Testing
import VICI

/// A real charon, as Cordon runs it, in a network of its own.
@Suite(.serialized, .enabled(if: getuid() == 0 && access("/usr/sbin/charon-systemd", X_OK) == 0))
struct CharonServiceTests {
    private static func run(_ body: @escaping @Sendable (CharonClient, CharonSettings) async throws -> Void)
        async throws
    {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("cordon-charon-\(UUID())").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        var settings = CharonSettings(directory: directory, isInUserSpace: false)
        settings.program = directory + "/charon-systemd"
        try "#!/bin/sh\nexec unshare --net /usr/sbin/charon-systemd\n".write(
            toFile: settings.program, atomically: true, encoding: .utf8)
        chmod(settings.program, 0o700)
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let service = CharonService(settings: settings, logger: logger)
        let client = CharonClient(
            socketPath: settings.socketPath, group: MultiThreadedEventLoopGroup.singleton, logger: logger)
        let chosen = settings
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await service.run() }
            tasks.addTask { try await client.run() }
            do { try await body(client, chosen) } catch {
                tasks.cancelAll()
                throw error
            }
            tasks.cancelAll()
            try await tasks.waitForAll()
        }
    }

    private static func plan(_ authority: CertificateAuthority? = nil) throws -> (TunnelPlan, TunnelSecrets) {
        let tunnel = Tunnel(
            peer: try Tunnel.Peer(parsing: "192.0.2.11"),
            networks: [try Tunnel.RemoteNetwork(parsing: "10.0.0.0/24")],
            authentication: authority == nil ? .sharedKey : .certificate)
        let identity = try IKEIdentity(parsing: "hq.acme.gw.example")
        let credential = try authority?.issue(
            to: CertificateAuthority.Holder(identity), key: .p384, at: time)
        var credentials = TunnelPlan.Credentials.sharedKey
        var secrets = TunnelSecrets(keys: [("vpn-17.1", Array("a key of some length".utf8))])
        if let credential, let authority {
            let der = authority.certificate.der
            credentials = .certificate(own: credential.certificate.der, authorities: [der])
            secrets = TunnelSecrets(privateKey: credential.key.der.bytes, authorities: [("tenant-1", der)])
        }
        let plan = try TunnelPlan(
            identifier: "vpn-17", tunnel: tunnel, localAddresses: [], localIdentity: identity,
            peerIdentity: try IKEIdentity(parsing: "192.0.2.11"), isPeerIdentityUnique: true,
            localBlocks: [try IPv4Prefix(parsing: "100.64.1.0/24")], path: .kernel(interfaceID: 18),
            credentials: credentials)
        return (plan, secrets)
    }

    private static let time = Timestamp(milliseconds: 1_790_000_000_000)

    @Test func `it takes what it is told and forgets it, and a new one is there when it has died`() async throws {
        try await Self.run { client, settings in
            // What charon says of what it does is not looked at here.
            var events = client.events().filter { event in if case .changed = event { false } else { true } }
                .makeAsyncIterator()
            #expect(await events.next() == .reconnected)
            let (shared, keys) = try Self.plan()
            try await client.load(shared, keys)
            let authority = try CertificateAuthority(for: try Name(parsing: "acme"), at: Self.time)
            for _ in 0..<2 {
                let (certified, secrets) = try Self.plan(authority)
                try await client.load(certified, secrets)
            }
            #expect(try await client.loaded() == ["vpn-17"])
            #expect(try await client.statistics().hasUserSpaceESP == false)
            // Twice: the second time nothing of it is there.
            for _ in 0..<2 {
                try await client.unload("vpn-17", secrets: ["vpn-17.1"], authorities: ["tenant-1"])
                #expect(try await client.loaded() == [])
            }
            try await client.load(shared, keys)
            let text = try String(contentsOfFile: settings.directory + "/charon-systemd.pid", encoding: .utf8)
            kill(try #require(pid_t(text.filter(\.isNumber))), SIGKILL)
            #expect(await events.next() == .disconnected)
            #expect(await events.next() == .reconnected)
            #expect(try await client.loaded() == [])
        }
    }
}
