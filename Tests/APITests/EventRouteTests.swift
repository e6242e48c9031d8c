import Control
import Domain
import Foundation
import Glibc
import HTTPTypes
import Logging
import ServiceLifecycle
import Testing

import API

@Suite struct EventRouteTests {
    /// Two tenants with a SIM each; five events: of acme's SIM 1, 2, 4, of globex's 3, of the operator 5.
    private static func tell(_ api: TestAPI) async throws {
        for (tenant, imsi) in [("acme", "999700000000001"), ("globex", "999700000000002")] {
            _ = try await api.post("/v1/tenants", #"{"name": "\#(tenant)"}"#)
            let sim = #"{"imsi": "\#(imsi)", "iccid": "8999000000\#(imsi.suffix(9))"}"#
            try #require(try await api.post("/v1/tenants/\(tenant)/sims", sim).status == 201)
        }
        for (imsi, action) in [
            ("999700000000001", "suspend"), ("999700000000001", "resume"), ("999700000000002", "suspend"),
            ("999700000000001", "suspend"),
        ] { #expect(try await api.send(.post, "/v1/sims/\(imsi)/\(action)").status == 200) }
        let ceiling = "hours: {zone: UTC, windows: [{from: \"06:00\", to: \"20:00\"}]}"
        _ = try await api.control.setSessionPolicy(ceiling, file: "s", at: .ceiling, by: .system)
    }

    private static func numbers(_ answer: TestAPI.Answer) -> [Int] {
        answer.items.compactMap { $0["number"] as? Int }
    }

    @Test func `events come in pages, newest or oldest first, by every filter`() async throws {
        try await TestAPI.run { api async throws in
            try await Self.tell(api)
            let all = try await api.send(.get, "/v1/events")
            #expect(Self.numbers(all) == [5, 4, 3, 2, 1])
            let last = try #require(all.items.last)
            #expect(last["code"] as? String == "suspended" && last["kind"] as? String == "sim")
            #expect(last["tenant"] as? String == "acme" && last["subject"] as? String == "sim/999700000000001")
            #expect(
                last["imsi"] as? String == "999700000000001" && last["time"] as? String == "2027-01-15T08:00:00.000Z")
            #expect(all.items.first?["tenant"] == nil)

            var (found, cursor): ([Int], String?) = ([], nil)
            repeat {
                let page = try await api.send(
                    .get, "/v1/events?order=oldest&limit=2" + (cursor.map { "&cursor=\($0)" } ?? ""))
                found += Self.numbers(page)
                cursor = page.json["next_cursor"] as? String
                #expect(page.json["position"] as? String == "\(found.last ?? 0)")
            } while cursor != nil
            #expect(found == [1, 2, 3, 4, 5])
            for (query, expected) in [
                ("tenant=globex", [3]), ("imsi=999700000000001", [4, 2, 1]), ("code=resumed", [2]),
                ("code=resumed,session-policy-set", [5, 2]), ("kind=policy", [5]), ("kind=policy,sim&limit=2", [5, 4]),
                ("kind=sim&code=resumed", [2]), ("since=2027-01-15T08:00:00Z", [5, 4, 3, 2, 1]),
                ("since=2027-01-15T08:00:01Z", []), ("until=2027-01-15T08:00:00Z", []), ("cursor=3", [2, 1]),
                ("order=oldest&cursor=3", [4, 5]),
            ] as [(String, [Int])] {
                #expect(Self.numbers(try await api.send(.get, "/v1/events?\(query)")) == expected, "\(query)")
            }
        }
    }

    @Test func `what is wrong is said before anything is read, and what is not kept any more is 410`() async throws {
        try await TestAPI.run { api async throws in
            try await Self.tell(api)
            for query in [
                "code=nothing", "kind=nothing", "kind=vpn&code=resumed", "cursor=-1", "cursor=x", "order=up", "limit=0",
                "since=yesterday", "imsi=1", "color=red",
            ] {
                #expect(try await api.send(.get, "/v1/events?\(query)").status == 400, "\(query)")
            }
            #expect(try await api.send(.get, "/v1/events?tenant=nobody").status == 404)
            for query in ["after=x", "after=6", "code=nothing"] {
                #expect(try await api.send(.get, "/v1/events/stream?\(query)").status == 400, "\(query)")
            }
            #expect(try await api.send(.get, "/v1/events/stream", token: .some(nil)).status == 401)
            var forgetting = EventForgetting()
            #expect(try await api.control.forgetEvents(&forgetting, keeping: 2) == 3)
            let gone = try await api.send(.get, "/v1/events?order=oldest&cursor=2")
            #expect(gone.status == 410 && gone.json["code"] as? String == "gone")
            #expect(Self.numbers(try await api.send(.get, "/v1/events?order=oldest")) == [4, 5])
            #expect(Self.numbers(try await api.send(.get, "/v1/events?order=oldest&cursor=3")) == [4, 5])
        }
    }

    @Test func `a tenant sees its own events only`() async throws {
        try await TestAPI.run { api async throws in
            try await Self.tell(api)
            let token = try await api.tenantToken("acme")
            #expect(Self.numbers(try await api.send(.get, "/v1/events", token: token)) == [4, 2, 1])
            #expect(Self.numbers(try await api.send(.get, "/v1/events?tenant=acme", token: token)) == [4, 2, 1])
            let others = try await api.send(.get, "/v1/events?imsi=999700000000002", token: token)
            #expect(others.status == 200 && others.items.isEmpty)
            for path in ["/v1/events?tenant=globex", "/v1/events/stream?tenant=globex"] {
                let (other, none) = (
                    try await api.send(.get, path, token: token),
                    try await api.send(.get, path.replacing("globex", with: "nobody"), token: token)
                )
                #expect(other.status == 404)
                #expect(other.text == none.text.replacing("nobody", with: "globex"))
            }
        }
    }

    /// Follows with a token that is deleted when `body` has returned, which ends the stream.
    private static func follow(
        _ api: TestAPI, _ query: String, tenant: String? = nil, headers: HTTPFields = [:],
        _ body: () async throws -> Void
    ) async throws -> TestAPI.Answer {
        let name = try Name(parsing: "follower")
        let secret = try await api.control.createToken(
            name, tenant: try tenant.map { try Name(parsing: $0) }, by: .system
        ).secret
        async let answer = api.send(.get, "/v1/events/stream\(query)", token: secret, headers: headers)
        let deadline = ContinuousClock.now + .seconds(300)
        while api.control.eventFollowers == 0, ContinuousClock.now < deadline {
            try await Task.sleep(for: .milliseconds(5))
        }
        try await body()
        // What was told a moment ago is on its way.
        try await Task.sleep(for: .seconds(1))
        try await api.control.deleteToken(name, by: .system)
        try await api.control.beat()
        return try await answer
    }

    private static func ids(_ answer: TestAPI.Answer) -> [Int] {
        answer.text.components(separatedBy: "\n\n").filter { $0.contains("data: ") }.compactMap { message in
            message.split(separator: "\n").first { $0.hasPrefix("id: ") }.flatMap { Int($0.dropFirst(4)) }
        }
    }

    @Test func `a stream tells what comes, goes on from a number, and tells of a gap`() async throws {
        try await TestAPI.run { api async throws in
            try await Self.tell(api)
            let live = try await Self.follow(api, "", tenant: "acme") {
                for action in ["resume", "suspend"] {
                    _ = try await api.send(.post, "/v1/sims/999700000000001/\(action)")
                    _ = try await api.send(.post, "/v1/sims/999700000000002/\(action)")
                }
            }
            #expect(live.status == 200 && live.mediaType == "text/event-stream")
            #expect(live.headers[.cacheControl] == "no-store")
            #expect(live.text.hasPrefix(": alive\nid: 5\n\n"))
            #expect(Self.ids(live) == [6, 8])
            let data = try #require(live.text.split(separator: "\n").first { $0.hasPrefix("data: ") }?.dropFirst(6))
            let event = try JSONSerialization.jsonObject(with: Data(data.utf8)) as? [String: Any]
            #expect(event?["code"] as? String == "resumed" && event?["number"] as? Int == 6)

            #expect(Self.ids(try await Self.follow(api, "?after=7&kind=sim") {}) == [8, 9])
            let name = try #require(HTTPField.Name("Last-Event-ID"))
            #expect(Self.ids(try await Self.follow(api, "?after=0", headers: [name: "8"]) {}) == [9])

            var forgetting = EventForgetting()
            #expect(try await api.control.forgetEvents(&forgetting, keeping: 2) == 7)
            let torn = try await Self.follow(api, "?after=3") {}
            #expect(torn.text.contains("id: 7\nevent: gap\ndata: {\"after\":3,\"up_to\":7}\n\n"))
            #expect(Self.ids(torn) == [7, 8, 9])
        }
    }

    @Test func `HEAD leaves no stream open`() async throws {
        try await TestAPI.run { api async throws in
            for _ in 0..<20 { #expect(try await api.send(.head, "/v1/events/stream").status == 200) }
            let deadline = ContinuousClock.now + .seconds(300)
            while api.control.eventFollowers > 0, ContinuousClock.now < deadline {
                try await Task.sleep(for: .milliseconds(10))
            }
            #expect(api.control.eventFollowers == 0)
        }
    }

    @Test func `a stream over a socket ends with the server's graceful shutdown`() async throws {
        try await TestAPI.run { api async throws in
            try await Self.tell(api)
            let group = ServiceGroup(services: api.server.services, logger: Logger(label: "test"))
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask { try await group.run() }
                let request =
                    "GET /v1/events/stream?after=0 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \(api.token)\r\n\r\n"
                async let answer = Self.ask(request, api.socketPath)
                let deadline = ContinuousClock.now + .seconds(300)
                while api.control.eventFollowers == 0, ContinuousClock.now < deadline {
                    try await Task.sleep(for: .milliseconds(10))
                }
                try await Task.sleep(for: .seconds(1))
                let started = ContinuousClock.now
                await group.triggerGracefulShutdown()
                try await tasks.waitForAll()
                #expect(ContinuousClock.now - started < .seconds(5))
                let text = await answer
                #expect(
                    text.hasPrefix("HTTP/1.1 200 OK") && text.contains("id: 5\ndata: ") && text.hasSuffix("0\r\n\r\n"))
            }
        }
    }

    /// Sends `request` when somebody listens, and returns all that comes back until the other end closes.
    private static func ask(_ request: String, _ path: String) async -> String {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                var address = sockaddr_un()
                address.sun_family = sa_family_t(AF_UNIX)
                withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
                var answer: [UInt8] = []
                for _ in 0..<500 {
                    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
                    defer { close(descriptor) }
                    let isConnected = withUnsafePointer(to: &address) { pointer in
                        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                            connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
                        }
                    }
                    guard isConnected else {
                        usleep(10_000)
                        continue
                    }
                    let bytes = Array(request.utf8)
                    guard write(descriptor, bytes, bytes.count) == bytes.count else { break }
                    var chunk = [UInt8](repeating: 0, count: 4096)
                    while case let count = read(descriptor, &chunk, chunk.count), count > 0 {
                        answer += chunk[..<count]
                    }
                    break
                }
                continuation.resume(returning: String(decoding: answer, as: UTF8.self))
            }
        }
    }
}
