import Control
import Domain
import Foundation
import NIOHTTP1
import Servers
import Synchronization
import Testing

@Suite struct ApprovalClientTests {
    private static func run(
        _ reply: @escaping @Sendable (HTTPRequestHead) -> TextServer.Reply,
        _ body: (ApprovalClient, HTTPSAddress) async throws -> Void
    ) async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "cordon-ca-\(UUID()).pem")
        try TextServer.certificatePEM.write(to: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: file) }
        let client = ApprovalClient(authorities: file.path)
        do {
            try await TextServer.run(reply) { server in try await body(client, server.address("/approve")) }
        } catch {
            try await client.close()
            throw error
        }
        try await client.close()
    }

    private static func request(_ address: HTTPSAddress) -> ApprovalRequest {
        ApprovalRequest(
            address: address, body: Array("{}".utf8), secret: Secret(bytes: Array("key".utf8)),
            timeout: TimeSpan(milliseconds: 2000))
    }

    @Test func `a question is signed, and its answer is handed on`() async throws {
        let seen = Mutex<[HTTPRequestHead]>([])
        try await Self.run { head in
            seen.withLock { $0.append(head) }
            return TextServer.Reply(headers: [("Content-Length", "18")], pieces: [#"{"approved": true}"#])
        } _: { client, address in
            let answer = try await client.post(Self.request(address))
            #expect(answer.status == 200 && String(decoding: answer.body, as: UTF8.self) == #"{"approved": true}"#)
        }
        let head = try #require(seen.withLock { $0.first })
        #expect(head.method == .POST && head.uri == "/approve")
        #expect(head.headers.first(name: "Content-Type") == "application/json")
        // printf '{}' | openssl dgst -sha256 -hmac key
        #expect(
            head.headers.first(name: "Cordon-Signature")
                == "sha256=a777724d943eb48dc69bca8a4a6d57a04db3f9ec7e1de4e581e860265bdf3032")
    }

    @Test func `what is no answer is an error`() async throws {
        try await Self.run { _ in
            TextServer.Reply(status: .ok, pieces: [String(repeating: "x", count: 10_000)])
        } _: { client, address in
            await #expect(throws: (any Error).self) { try await client.post(Self.request(address)) }
        }
        // Of somebody whom the host does not trust.
        try await TextServer.run { _ in
            TextServer.Reply()
        } _: { server in
            let client = ApprovalClient()
            let address = try server.address("/")
            await #expect(throws: (any Error).self) { try await client.post(Self.request(address)) }
            try await client.close()
        }
    }
}
