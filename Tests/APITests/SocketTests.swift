import Foundation
import Glibc
import Logging
import ServiceLifecycle
import Testing

import API

@Suite struct SocketTests {
    @Test func `the socket takes the place of a stale one and is open to its group only`() async throws {
        try await TestAPI.run { api async throws in
            try Self.leaveStaleSocket(at: api.socketPath)
            let group = ServiceGroup(services: api.server.services, logger: Logger(label: "test"))
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask { try await group.run() }
                let deadline = ContinuousClock.now + .seconds(300)
                var answer = ""
                while answer.isEmpty, ContinuousClock.now < deadline {
                    answer = Self.ask("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", api.socketPath)
                    try await Task.sleep(for: .milliseconds(20))
                }
                #expect(answer.hasPrefix("HTTP/1.1 200 OK"))
                #expect(answer.hasSuffix("ok\n"))
                let refused = Self.ask("GET /v1/sims HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", api.socketPath)
                #expect(refused.hasPrefix("HTTP/1.1 401 Unauthorized"))
                var mode = stat()
                #expect(stat(api.socketPath, &mode) == 0)
                #expect(mode.st_mode & 0o777 == 0o660)
                await group.triggerGracefulShutdown()
                try await tasks.waitForAll()
            }
        }
    }

    private static func leaveStaleSocket(at path: String) throws {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        try #require(withAddress(path) { bind(descriptor, $0, $1) } == 0)
    }

    /// Sends `request` and returns all that comes back; nothing when nobody listens.
    private static func ask(_ request: String, _ path: String) -> String {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        guard withAddress(path, { connect(descriptor, $0, $1) }) == 0 else { return "" }
        let bytes = Array(request.utf8)
        guard write(descriptor, bytes, bytes.count) == bytes.count else { return "" }
        var answer: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while case let count = read(descriptor, &chunk, chunk.count), count > 0 { answer += chunk[..<count] }
        return String(decoding: answer, as: UTF8.self)
    }

    private static func withAddress(
        _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}
