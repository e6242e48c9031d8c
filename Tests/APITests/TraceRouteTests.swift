import Control
import Foundation
import HTTPTypes
import Testing

import API

@Suite struct TraceRouteTests {
    private static let imsi = "999700000000001"

    private func makeSIM(_ api: TestAPI) async throws {
        _ = try await api.post("/v1/tenants", #"{"name": "acme"}"#)
        let made = try await api.post(
            "/v1/tenants/acme/sims", #"{"imsi": "\#(Self.imsi)", "iccid": "8999000000000000001"}"#)
        try #require(made.status == 201, "\(made.text)")
    }

    @Test func `a trace is a stream of JSON, one object a line, until its end`() async throws {
        try await TestAPI.run { api async throws in
            try await makeSIM(api)
            let answer = try await api.send(.get, "/v1/sims/\(Self.imsi)/trace?seconds=3")
            #expect(answer.status == 200)
            #expect(answer.headers[.contentType] == "application/x-ndjson")
            let lines = answer.text.split(separator: "\n").map(String.init)
            // The first at once, and one every two seconds, by which a client that is gone is noticed; on a machine that has
            // no time to spare some of them come together with the end.
            try #require(lines.count >= 2)
            for line in lines.dropLast() {
                #expect(line == #"{"addresses":[],"left_out":0,"packets":0,"type":"status"}"#)
            }
            #expect(
                lines.last
                    == #"{"addresses":[],"left_out":0,"packets":0,"reason":"its time is over","type":"end"}"#)
        }
    }

    @Test func `a wrong question is refused before the stream begins`() async throws {
        try await TestAPI.run { api async throws in
            try await makeSIM(api)
            let wrong = [
                "seconds=0", "seconds=601", "seconds=x", "limit=0", "per_second=201", "verdict=maybe", "rate=5",
            ]
            for query in wrong {
                let answer = try await api.send(.get, "/v1/sims/\(Self.imsi)/trace?\(query)")
                #expect(answer.status == 400, "\(query)")
                #expect(answer.problemFields == [String(query.prefix { $0 != "=" })])
            }
            let stranger = try await api.post("/v1/tenants", #"{"name": "globex"}"#)
            #expect(stranger.status == 201)
            let token = try await api.tenantToken("globex")
            for imsi in [Self.imsi, "999700000000009"] {
                #expect(try await api.send(.get, "/v1/sims/\(imsi)/trace", token: token).status == 404)
            }
            #expect(try await api.send(.get, "/v1/sims/\(Self.imsi)/trace", token: .some(nil)).status == 401)
            #expect(try await api.send(.post, "/v1/sims/\(Self.imsi)/trace").status == 405)
        }
    }

    @Test func `HEAD leaves no trace running, and one too many is 429`() async throws {
        try await TestAPI.run { api async throws in
            try await makeSIM(api)
            let token = try await api.tenantToken("acme")
            for _ in 0..<8 {
                #expect(try await api.send(.head, "/v1/sims/\(Self.imsi)/trace", token: token).status == 200)
            }
            try await eventually { api.control.traces == 0 }
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                for _ in 0..<4 {
                    tasks.addTask {
                        let answer = try await api.send(.get, "/v1/sims/\(Self.imsi)/trace?seconds=4", token: token)
                        #expect(answer.status == 200)
                    }
                }
                try await eventually { api.control.traces == 4 }
                let refused = try await api.send(.get, "/v1/sims/\(Self.imsi)/trace", token: token)
                #expect(refused.status == 429 && refused.json["code"] as? String == "too-many")
                #expect(refused.headers[.retryAfter] != nil)
                try await tasks.waitForAll()
            }
            #expect(api.control.traces == 0)
        }
    }

    private func eventually(_ condition: () -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(300)
        while !condition(), ContinuousClock.now < deadline { try await Task.sleep(for: .milliseconds(10)) }
        #expect(condition())
    }
}
