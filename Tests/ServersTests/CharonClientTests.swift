import Domain
import Foundation
import Logging
import NIOPosix
import Servers
import Synchronization
import Testing
import VICI

/// The client with a server on a real socket that says what the test wants.
@Suite struct CharonClientTests {
    private final class Heard: Sendable {
        private let events = Mutex<[IKEDaemonEvent]>([])
        var all: [IKEDaemonEvent] { events.withLock { $0 } }
        func note(_ event: IKEDaemonEvent) { events.withLock { $0.append(event) } }
        func count(_ event: IKEDaemonEvent) -> Int { all.count { $0 == event } }
    }

    private static func run(
        isStarted: Bool = true, _ script: @escaping ScriptedCharon.Script = ScriptedCharon.willing,
        _ body: @escaping @Sendable (CharonClient, ScriptedCharon, Heard) async throws -> Void
    ) async throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("cordon-vici-\(UUID())").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let charon = ScriptedCharon(path: directory + "/v")
        if isStarted { try await charon.start(script) }
        let client = CharonClient(
            socketPath: charon.path, group: MultiThreadedEventLoopGroup.singleton,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let heard = Heard()
        let events = client.events()
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await client.run() }
            tasks.addTask { for await event in events { heard.note(event) } }
            do { try await body(client, charon, heard) } catch {
                tasks.cancelAll()
                throw error
            }
            tasks.cancelAll()
        }
        await charon.stop()
    }

    /// Waits until it is so, for half a minute.
    private static func eventually(
        _ what: Comment, location: SourceLocation = #_sourceLocation, _ isSo: () -> Bool
    ) async throws {
        for _ in 0..<1500 {
            if isSo() { return }
            try await Task.sleep(for: .milliseconds(20))
        }
        Issue.record(what, sourceLocation: location)
    }

    private static func failure<Value>(
        _ body: () async throws(IKEDaemonError) -> Value
    ) async -> IKEDaemonError? {
        do throws(IKEDaemonError) { _ = try await body() } catch { return error }
        return nil
    }

    private static func plan() throws -> TunnelPlan {
        let tunnel = Tunnel(
            peer: try Tunnel.Peer(parsing: "192.0.2.11"),
            networks: [try Tunnel.RemoteNetwork(parsing: "10.0.0.0/24")])
        return try TunnelPlan(
            identifier: "vpn-17", tunnel: tunnel, localAddresses: [],
            localIdentity: try IKEIdentity(parsing: "hq.acme.gw.example"),
            peerIdentity: try IKEIdentity(parsing: "192.0.2.11"), isPeerIdentityUnique: true,
            localBlocks: [try IPv4Prefix(parsing: "100.64.1.0/24")], path: .userSpace)
    }

    private static func association(_ isUp: Bool) -> Packet {
        var section = Message()
        for (key, value) in [
            ("uniqueid", "7"), ("state", "ESTABLISHED"), ("remote-host", "192.0.2.11"), ("remote-port", "4500"),
        ] { section.append(key, value) }
        var message = Message()
        if isUp { message.append("up", "yes") }
        message.append("vpn-17", section: section)
        return .event(name: "ike-updown", message)
    }

    @Test func `it registers for what it hears of, and commands go out one after the other`() async throws {
        try await Self.run { client, charon, heard in
            try await Self.eventually("connected") { heard.count(.reconnected) == 1 }
            let events = charon.received.compactMap { packet in
                if case .eventRegister(let name) = packet { name } else { nil }
            }
            #expect(events == ["ike-updown", "child-updown", "ike-rekey", "child-rekey", "log"])
            try await client.load(
                try Self.plan(), TunnelSecrets(keys: [("vpn-17.1", Array("secret".utf8))], authorities: [("ca", [1])]))
            try await client.initiate("vpn-17", of: "vpn-17")
            try await client.unload("vpn-17", secrets: ["vpn-17.1"], authorities: ["ca"])
            #expect(
                charon.commands == [
                    "load-shared", "load-authority", "load-conn", "initiate", "unload-conn", "unload-shared",
                    "unload-authority", "terminate",
                ])
            #expect(charon.messages("load-shared").first?[octets: "data"] == Array("secret".utf8))
            #expect(charon.messages("load-conn").first == (try Self.plan()).connection.message)
            #expect(charon.messages("initiate").first?["child"] == "vpn-17")
        }
    }

    @Test func `events are told to each who listens, and to who comes late that there is a connection`() async throws {
        try await Self.run { client, charon, heard in
            try await Self.eventually("connected") { heard.count(.reconnected) == 1 }
            var late = client.events().makeAsyncIterator()
            #expect(await late.next() == .reconnected)
            try await charon.tell(.packet(Self.association(true)))
            guard case .changed(.ike(true, let ike))? = await late.next() else {
                Issue.record("not told")
                return
            }
            #expect(ike.name == "vpn-17" && ike.id == 7)
            try await Self.eventually("told") { heard.all.count == 2 }
            // Nothing that this version knows, and nothing that can be read.
            try await charon.tell(
                .packet(.event(name: "alert", Message())), .packet(.event(name: "ike-updown", Message())),
                .packet(Self.association(false)))
            guard case .changed(.ike(false, _))? = await late.next() else {
                Issue.record("not told")
                return
            }
            #expect(heard.count(.disconnected) == 0)
        }
    }

    @Test func `what is refused is told in the daemon's words, and what it has not is unloaded all the same`()
        async throws
    {
        try await Self.run({ packet in
            switch packet {
            case .commandRequest("load-conn", _): [.packet(.commandResponse(ScriptedCharon.failure("no such cipher")))]
            case .commandRequest(let name, _) where name.hasPrefix("unload"):
                [.packet(.commandResponse(ScriptedCharon.failure("not found")))]
            case .commandRequest("stats", _): [.packet(.commandUnknown)]
            default: ScriptedCharon.willing(packet)
            }
        }) { client, charon, heard in
            try await Self.eventually("connected") { heard.count(.reconnected) == 1 }
            let plan = try Self.plan()
            let refused = await Self.failure { () async throws(IKEDaemonError) in
                try await client.load(plan, TunnelSecrets(keys: [("vpn-17.1", Array("top secret".utf8))]))
            }
            #expect(refused?.code == .refused && refused?.words == "no such cipher")
            #expect(!"\(String(describing: refused))".contains("top secret"))
            try await client.unload("vpn-17", secrets: ["vpn-17.1"], authorities: ["ca"])
            #expect(charon.commands.suffix(3) == ["unload-shared", "unload-authority", "terminate"])
            let unknown = await Self.failure { () async throws(IKEDaemonError) in try await client.statistics() }
            #expect(unknown?.code == .unsupported)
        }
    }

    @Test func `a private key that no VPN has any more is forgotten`() async throws {
        let number = Mutex(0)
        try await Self.run({ packet in
            guard case .commandRequest("load-key", let message) = packet else { return ScriptedCharon.willing(packet) }
            let octets = message[octets: "data"] ?? []
            number.withLock { $0 += 1 }
            return [.packet(.commandResponse(ScriptedCharon.success(["id": "key\(octets.first ?? 0)"])))]
        }) { client, charon, heard in
            try await Self.eventually("connected") { heard.count(.reconnected) == 1 }
            let plan = try Self.plan()
            for octet: UInt8 in [1, 1, 2] { try await client.load(plan, TunnelSecrets(privateKey: [octet])) }
            #expect(charon.messages("unload-key").map { $0["id"] } == ["key1"])
            try await client.unload("vpn-17", secrets: [], authorities: [])
            #expect(charon.messages("unload-key").map { $0["id"] } == ["key1", "key2"])
        }
    }

    @Test func `a connection that is lost in the middle of a request fails it, and is made again`() async throws {
        let isDropping = Mutex(true)
        try await Self.run({ packet in
            guard case .commandRequest("get-conns", _) = packet, isDropping.withLock({ $0 }) else {
                return ScriptedCharon.willing(packet)
            }
            isDropping.withLock { $0 = false }
            return [.close]
        }) { client, charon, heard in
            try await Self.eventually("connected") { heard.count(.reconnected) == 1 }
            let lost = await Self.failure { () async throws(IKEDaemonError) in try await client.loaded() }
            #expect(lost?.code == .unreachable)
            try await Self.eventually("again") { heard.count(.reconnected) == 2 && heard.count(.disconnected) == 1 }
            #expect(heard.all == [.reconnected, .disconnected, .reconnected])
            #expect(try await client.loaded() == [])
        }
    }

    @Test(
        arguments: [
            [0xff, 0xff, 0xff, 0xff], [0, 0, 0, 0], [0, 0, 0, 1, 99], [0, 0, 0, 3, 1, 3, 200], [0, 0, 0, 1, 1],
        ] as [[UInt8]])
    func `what is no packet ends the connection, and there is another`(octets: [UInt8]) async throws {
        try await Self.run { client, charon, heard in
            try await Self.eventually("connected") { heard.count(.reconnected) == 1 }
            try await charon.tell(.octets(octets))
            try await Self.eventually("again") { heard.count(.reconnected) == 2 }
            try await client.initiate("vpn-17", of: "vpn-17")
            #expect(charon.accepted == 2)
        }
    }

    @Test func `without a daemon requests fail at once, and it is found when it comes`() async throws {
        try await Self.run(isStarted: false) { client, charon, heard in
            let plan = try Self.plan()
            let failed = await Self.failure { () async throws(IKEDaemonError) in
                try await client.load(plan, TunnelSecrets())
            }
            #expect(failed?.code == .unreachable)
            try await charon.start()
            try await Self.eventually("connected") { heard.count(.reconnected) == 1 }
            await charon.stop()
            try await Self.eventually("gone") { heard.count(.disconnected) == 1 }
            try await charon.start()
            try await Self.eventually("back") { heard.count(.reconnected) == 2 }
            try await client.load(plan, TunnelSecrets())
        }
    }

    /// Such a daemon is not one to be connected to.
    @Test func `a daemon that does not know the events is tried again`() async throws {
        let isNew = Mutex(false)
        try await Self.run({ packet in
            guard case .eventRegister("child-rekey") = packet, !isNew.withLock({ $0 }) else {
                return ScriptedCharon.willing(packet)
            }
            return [.packet(.eventUnknown)]
        }) { client, charon, heard in
            try await Self.eventually("tried") { charon.accepted >= 2 }
            #expect(heard.all.isEmpty)
            isNew.withLock { $0 = true }
            try await Self.eventually("connected") { heard.count(.reconnected) == 1 }
        }
    }
}
