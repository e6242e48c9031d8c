import Control
import Domain
import Foundation
import NIOHTTP1
import Servers
import Testing

@Suite struct BlocklistFetcherTests {
    private static let text = String(repeating: "0.0.0.0 ads.example\n", count: 1000)

    private static func reply(_ head: HTTPRequestHead) -> TextServer.Reply {
        switch head.uri {
        case "/list?a=b":
            head.headers.first(name: "If-None-Match") == "\"1\""
                ? TextServer.Reply(status: .notModified)
                : TextServer.Reply(headers: [("ETag", "\"1\"")], pieces: [text, "x.example"])
        case "/moved": TextServer.Reply(status: .found, headers: [("Location", "/list?a=b")])
        case "/round": TextServer.Reply(status: .movedPermanently, headers: [("Location", "/round")])
        case "/plain": TextServer.Reply(status: .found, headers: [("Location", "http://localhost/list")])
        case "/inside": TextServer.Reply(status: .found, headers: [("Location", "https://127.0.0.2:\(1)/list")])
        default: TextServer.Reply(status: .notFound, pieces: ["no"])
        }
    }

    /// A fetcher that trusts the server, and for which 127.0.0.1 is on the internet.
    private static func run(
        _ body: (TextServer, (BlocklistRequest) async throws -> (BlocklistAnswer, [UInt8])) async throws -> Void
    ) async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "cordon-ca-\(UUID()).pem")
        try TextServer.certificatePEM.write(to: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: file) }
        let outside = IPAddress.v4(IPv4Address(bits: 0x7f00_0001))
        let fetcher = BlocklistFetcher(BlocklistFetcher.Settings(authorities: file.path)) { $0 == outside }
        try await TextServer.run(reply) { server in
            try await body(server) { request in
                var bytes: [UInt8] = []
                let answer = try await fetcher.fetch(request) { piece in
                    for index in piece.indices { bytes.append(piece[index]) }
                }
                return (answer, bytes)
            }
        }
    }

    private static func request(
        _ address: HTTPSAddress, tag: String? = nil, _ reach: BlocklistRequest.Reach = .anywhere
    ) -> BlocklistRequest {
        BlocklistRequest(address: address, entityTag: tag, reach: reach)
    }

    private static func message(_ body: () async throws -> some Any) async -> String {
        do { _ = try await body() } catch { return "\(error)" }
        return "no error"
    }

    @Test func `a text comes whole, also where it has moved to, and not again when it is the same`() async throws {
        try await Self.run { server, fetch in
            for target in ["/list?a=b", "/moved"] {
                let (answer, bytes) = try await fetch(Self.request(try server.address(target)))
                #expect(answer == .text(entityTag: "\"1\""))
                #expect(bytes == Array((Self.text + "x.example").utf8))
            }
            let again = try await fetch(Self.request(try server.address("/list?a=b"), tag: "\"1\""))
            #expect(again.0 == .unchanged && again.1.isEmpty)
        }
    }

    @Test func `what is not there, leads in circles or to plain text is refused in words`() async throws {
        try await Self.run { server, fetch in
            for (target, words) in [("/none", "404"), ("/round", "more than 5 times"), ("/plain", "https://")] {
                let message = await Self.message { try await fetch(Self.request(try server.address(target))) }
                #expect(message.contains(words), "\(target): \(message)")
            }
        }
    }

    @Test func `a server that nobody vouches for is not believed`() async throws {
        try await TextServer.run(Self.reply) { server in
            let fetcher = BlocklistFetcher(BlocklistFetcher.Settings())
            let message = await Self.message {
                try await fetcher.fetch(Self.request(try server.address("/list?a=b"))) { _ in }
            }
            #expect(message.contains("cannot be reached") && message.contains("CERTIFICATE_VERIFY_FAILED"))
        }
    }

    @Test func `what is not on the internet is not asked, and nothing leads there`() async throws {
        try await Self.run { server, fetch in
            let internet = BlocklistRequest.Reach.internet(except: [])
            let refused = "is not on the internet"
            let reached = try await fetch(Self.request(try server.address("/list?a=b", host: "127.0.0.1"), internet))
            #expect(reached.0 == .text(entityTag: "\"1\""))
            for host in ["127.0.0.2", "10.0.0.1", "[::1]", "169.254.169.254", "[::ffff:127.0.0.2]"] {
                let message = await Self.message {
                    try await fetch(Self.request(try server.address("/list", host: host), internet))
                }
                #expect(message.contains(refused), "\(host): \(message)")
            }
            let led = await Self.message {
                try await fetch(Self.request(try server.address("/inside", host: "127.0.0.1"), internet))
            }
            #expect(led.contains(refused), "\(led)")
            let own = await Self.message {
                let prefix = try IPv4Prefix(parsing: "127.0.0.0/24")
                return try await fetch(
                    Self.request(
                        try server.address("/list?a=b", host: "127.0.0.1"), .internet(except: [.v4(prefix)])))
            }
            #expect(own.contains(refused))
        }
    }

    @Test func `what is refused while it comes ends the fetch`() async throws {
        try await TextServer.run(Self.reply) { server in
            let file = FileManager.default.temporaryDirectory.appending(path: "cordon-ca-\(UUID()).pem")
            try TextServer.certificatePEM.write(to: file, atomically: true, encoding: .utf8)
            defer { try? FileManager.default.removeItem(at: file) }
            let fetcher = BlocklistFetcher(BlocklistFetcher.Settings(authorities: file.path))
            let message = await Self.message {
                try await fetcher.fetch(Self.request(try server.address("/list?a=b"))) {
                    _ throws(BlocklistFetchError) in throw BlocklistFetchError("too long")
                }
            }
            #expect(message == "too long")
        }
    }
}
