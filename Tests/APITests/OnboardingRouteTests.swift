import Control
import Foundation
import HTTPTypes
import Testing

@Suite struct OnboardingRouteTests {
    private static let document = """
        tenant: acme
        apn: {name: acme.iot, kind: private}
        blocks: 1
        groups: [{name: meters, policy: telemetry}]
        policies:
          - policy: telemetry
            rules: [{name: broker, to: [10.0.0.10], services: [mqtts], route: vpn:hq}]
        vpns: [{name: hq, peer: 203.0.113.10, remote-networks: [10.0.0.0/24]}]
        sims: [{imsi: "999700000000001", iccid: "8999970000000000001", group: meters}]
        users: [{name: acme-admin}]

        """

    private static func send(
        _ document: String, _ query: String = "", type: String = "application/yaml", token: String?? = .none,
        _ api: TestAPI
    ) async throws -> TestAPI.Answer {
        try await api.send(.post, "/v1/onboardings\(query)", token: token, type: type, body: document)
    }

    @Test func `a plan changes nothing, and what it says is done`() async throws {
        try await TestAPI.run { api async throws in
            _ = try await api.post("/v1/pools", #"{"prefix": "100.64.0.0/16"}"#)
            let planned = try await Self.send(Self.document, "?dry_run=true&file=acme.yaml", api)
            let plan = try #require(planned.json["plan"] as? [String: Any])
            #expect(planned.status == 200 && planned.json["result"] == nil)
            #expect(plan["changes_nothing"] as? Bool == false)
            #expect(try await api.send(.get, "/v1/tenants/acme").status == 404)
            #expect(try await Self.send(Self.document, "?plan=0", api).status == 412)

            let digest = try #require(plan["digest"] as? String)
            let done = try await Self.send(Self.document, "?plan=\(digest)", api)
            let result = try #require(done.json["result"] as? [String: Any])
            let secret = try #require((result["tokens"] as? [[String: Any]])?.first?["secret"] as? String)
            #expect(try await api.send(.get, "/v1/tenants", token: secret).items.count == 1)
            let site = try #require((result["vpns"] as? [[String: Any]])?.first)
            #expect((site["handover"] as? [String: Any])?["key"] as? String != nil)
            #expect((site["next_steps"] as? [String])?.isEmpty == false)
            #expect((result["next_steps"] as? [String])?.isEmpty == false)
            #expect(try await api.send(.get, "/v1/apns").items.map { $0["tenant"] as? String } == ["acme"])

            let again = try await Self.send(Self.document, "", api)
            #expect((again.json["plan"] as? [String: Any])?["changes_nothing"] as? Bool == true)
            #expect(((again.json["result"] as? [String: Any])?["tokens"] as? [Any])?.isEmpty == true)
            #expect(!again.text.contains(secret))
            // It is the operator's to do.
            #expect(try await Self.send(Self.document, token: secret, api).status == 403)
        }
    }

    @Test func `a wrong document is a problem with its places`() async throws {
        try await TestAPI.run { api async throws in
            let answer = try await Self.send("tenant: acme\nuser: []\nsims: [{imsi: x}]\n", "", api)
            let problems = try #require(answer.json["problems"] as? [[String: Any]])
            #expect(answer.status == 400 && answer.problemFields == ["user", "sims[0]", "sims[0].imsi"])
            #expect(problems[0]["line"] as? Int == 2 && problems[0]["column"] as? Int == 1)
            let json = try await Self.send(#"{"tenant": "acme", "sims": {}}"#, type: "application/json", api)
            #expect(json.status == 400 && json.problemFields == ["sims"])
            #expect(try await Self.send("tenant: acme\n", type: "text/csv", api).status == 415)
            #expect(try await api.send(.get, "/v1/tenants/acme").status == 404)
        }
    }
}
