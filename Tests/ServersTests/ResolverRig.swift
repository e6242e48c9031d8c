import Control
import DNS
import Domain
import Glibc
import Logging
import NIOCore
import NIOPosix
import Servers

/// A resolver on a port of loopback, with upstreams that follow scripts.
struct ResolverRig {
    let names: FakeNames
    let port: UInt16
    var device: Device { Device(port: port) }

    static func run(
        _ names: FakeNames, upstreams: [ScriptedUpstream], loops: Int = 1,
        settings change: (inout DNSSettings) -> Void = { _ in },
        _ body: (ResolverRig) async throws -> Void
    ) async throws {
        try await run(names, asking: upstreams.map(\.upstream), loops: loops, settings: change, body)
        for upstream in upstreams { await upstream.close() }
    }

    static func run(
        _ names: FakeNames, asking upstreams: [Upstream], loops: Int = 1,
        settings change: (inout DNSSettings) -> Void = { _ in }, _ body: (ResolverRig) async throws -> Void
    ) async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: loops)
        let port = try freePort()
        var settings = DNSSettings(
            listen: [.v4(IPv4Address(bits: 0x7f00_0001))], port: port, upstreams: upstreams,
            guarding: AddressGuard(devices: [
                IPv4Prefix(containing: IPv4Address(bits: 100 << 24 | 64 << 16), length: 10)
            ]))
        change(&settings)
        let (ready, continuation) = AsyncStream<Void>.makeStream()
        let server = DNSServer(
            names: names, settings: settings, group: group,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            onReady: { continuation.finish() })
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                defer { continuation.finish() }
                try await server.run()
            }
            for await _ in ready {}
            do {
                try await body(ResolverRig(names: names, port: port))
            } catch {
                tasks.cancelAll()
                throw error
            }
            tasks.cancelAll()
            // Cancelled is how it ends.
            do { try await tasks.waitForAll() } catch is CancellationError {}
        }
        try await group.shutdownGracefully()
    }

    struct NoPort: Error {}

    /// One that is free for UDP and TCP a moment before it is used.
    private static func freePort() throws -> UInt16 {
        for _ in 0..<20 {
            let stream = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            let datagram = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
            defer {
                close(stream)
                close(datagram)
            }
            var name = sockaddr_in()
            name.sin_family = sa_family_t(AF_INET)
            name.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let isBound = withUnsafeMutablePointer(to: &name) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(stream, $0, length) == 0 && getsockname(stream, $0, &length) == 0
                        && bind(datagram, $0, length) == 0
                }
            }
            if isBound { return UInt16(bigEndian: name.sin_port) }
        }
        throw NoPort()
    }
}
