import Control
import Domain
import Glibc
import Logging
import NIOCore
import NIOPosix
import Servers
import Testing

/// A real unbound, as Cordon runs it, with a script for the rest of the world.
@Suite(.serialized) struct UnboundTests {
    private static func settings(_ name: String) -> UnboundSettings {
        let temporary = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var settings = UnboundSettings(
            directory: "\(temporary)/cordon-unbound-\(name)-\(getpid())", port: UInt16.random(in: 20_000...29_000))
        settings.trustAnchorFile = nil
        settings.rootHintsFile = nil
        return settings
    }

    /// Runs it while `body` does.
    private static func run(_ settings: UnboundSettings, _ body: () async throws -> Void) async throws {
        let service = UnboundService(
            settings: settings, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await service.run() }
            do {
                try await body()
            } catch {
                tasks.cancelAll()
                throw error
            }
            tasks.cancelAll()
            try await tasks.waitForAll()
        }
        unlink(settings.configurationFile)
        rmdir(settings.directory)
    }

    private static func process(of settings: UnboundSettings) -> pid_t? {
        guard let file = fopen(settings.processFile, "r") else { return nil }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 32)
        guard fgets(&line, Int32(line.count), file) != nil else { return nil }
        return pid_t(atol(line))
    }

    /// Asks until there is an answer, for a minute: tests side by side keep all threads busy for seconds.
    private static func ask(_ settings: UnboundSettings, _ name: String) async throws -> [UInt8]? {
        for _ in 0..<400 {
            let device = Device("127.0.0.1", port: settings.port)
            if let answer = device.ask(Wire.query(name), timeoutMilliseconds: 100) { return answer }
            // A closed port shows at once.
            try await Task.sleep(for: .milliseconds(50))
        }
        return nil
    }

    @Test func `all settings together are a configuration that unbound takes`() throws {
        var settings = Self.settings("check")
        settings.trustAnchorFile = "/usr/share/dns/root.key"
        settings.rootHintsFile = "/usr/share/dns/root.hints"
        settings.forward = [
            try .init(parsing: "192.0.2.1"), try .init(parsing: "2001:db8::1@5353"), try .init(parsing: "127.0.0.1@53"),
        ]
        settings.stubs = [
            .init(zone: try DomainName(parsing: "acme.example"), servers: [try .init(parsing: "192.0.2.5@54")])
        ]
        settings.privatePrefixes = [try IPv4Prefix(parsing: "10.0.0.0/8"), try IPv4Prefix(parsing: "192.0.2.1")]
        settings.privatePrefixesIPv6 = [try IPv6Prefix(parsing: "fd00::/8")]
        try Self.check(settings)
        // A laboratory's own root.
        settings.forward = []
        settings.rootHintsFile = nil
        settings.trustAnchorFile = nil
        settings.stubs = [.init(zone: nil, servers: [try .init(parsing: "192.0.2.6")])]
        try Self.check(settings)
    }

    private static func check(_ settings: UnboundSettings) throws {
        let path = settings.directory + ".conf"
        let file = try #require(fopen(path, "w"))
        var settings = settings
        settings.directory = "/tmp"
        fputs(settings.configuration, file)
        fclose(file)
        defer { unlink(path) }
        // It complains of what it only ignores, too.
        #expect(system("! /usr/sbin/unbound-checkconf \(path) 2>&1 | grep -q error:") == 0)
    }

    @Test func `it answers, is there again after it was killed, and ends with the service`() async throws {
        let world = try await ScriptedUpstream(group: MultiThreadedEventLoopGroup.singleton) { query, _ in
            [.answer(query, Wire.a([192, 0, 2, 1]))]
        }
        var settings = Self.settings("run")
        settings.forward = [.init(address: world.upstream.address, port: world.port)]
        var last: pid_t = 0
        try await Self.run(settings) {
            #expect(try await Wire.code(Self.ask(settings, "a.example")) == 0)
            let first = try #require(Self.process(of: settings))
            // It runs as the resolver's threads do: SCHED_BATCH of sched.h.
            #expect(sched_getscheduler(first) == 3)
            #expect(kill(first, SIGKILL) == 0)
            #expect(try await Wire.code(Self.ask(settings, "b.example")) == 0)
            last = try #require(Self.process(of: settings))
            #expect(last != first)
        }
        #expect(last > 1 && kill(last, 0) != 0)
        await world.close()
    }

    @Test func `the resolver goes on over an unbound that is killed`() async throws {
        let world = try await ScriptedUpstream(group: MultiThreadedEventLoopGroup.singleton) { query, _ in
            [.answer(query, Wire.a([192, 0, 2, 1]))]
        }
        var settings = Self.settings("resolver")
        settings.forward = [.init(address: world.upstream.address, port: world.port)]
        let own = Upstream(address: .v4(IPv4Address(bits: 0x7f00_0001)), port: settings.port)
        try await Self.run(settings) {
            #expect(try await Wire.code(Self.ask(settings, "a.example")) == 0)
            try await ResolverRig.run(try FakeNames(), asking: [own]) { rig in
                for number in 0..<3 {
                    let query = Wire.query("n\(number).acme.example")
                    let expected = Wire.answer(to: query, [Wire.a([192, 0, 2, 1])])
                    var answer = rig.device.ask(query, timeoutMilliseconds: 6000)
                    // Beside tests that keep all threads busy, unbound may be back later than a device waits.
                    for _ in 0..<8 where answer != expected {
                        try await Task.sleep(for: .milliseconds(500))
                        answer = rig.device.ask(query, timeoutMilliseconds: 6000)
                    }
                    #expect(answer == expected)
                    if let process = Self.process(of: settings) { kill(process, SIGKILL) }
                }
            }
        }
        await world.close()
    }
}
