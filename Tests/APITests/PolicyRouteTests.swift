import Foundation
import HTTPTypes
import Testing

@Suite struct PolicyRouteTests {
    private static func meters(_ last: Int, name: String = "meters") -> String {
        "policy: \(name)\nrules:\n  - {name: a, to: [192.0.2.\(last)], route: internet}\n"
    }

    @Test func `a policy has its version as ETag, and If-Match holds`() async throws {
        try await TestAPI.run { api async throws in
            _ = try await api.post("/v1/tenants", #"{"name": "acme"}"#)
            let absent = try await api.apply(Self.meters(1), to: "acme", headers: [.ifMatch: "*"])
            #expect(absent.status == 412)
            #expect(absent.json["code"] as? String == "precondition-failed")
            let made = try await api.apply(Self.meters(1), to: "acme", headers: [.ifNoneMatch: "*"])
            #expect(made.status == 201 && made.headers[.eTag] == "\"1\"")
            #expect(try await api.apply(Self.meters(2), to: "acme", headers: [.ifNoneMatch: "*"]).status == 412)
            #expect(
                try await api.apply(Self.meters(2), to: "acme", headers: [.ifMatch: "\"1\""]).headers[.eTag] == "\"2\"")
            let late = try await api.apply(Self.meters(3), to: "acme", headers: [.ifMatch: "\"1\""])
            #expect(late.status == 412)
            #expect((late.json["detail"] as? String)?.contains("version 2") == true)
            for wrong in ["2", "W/\"2\"", "\"\"", "\"x\""] {
                #expect(
                    try await api.apply(Self.meters(3), to: "acme", headers: [.ifMatch: wrong]).status == 400,
                    "\(wrong)")
            }
            let shown = try await api.send(.get, "/v1/tenants/acme/policies/meters")
            #expect(shown.headers[.eTag] == "\"2\"" && shown.json["document"] as? String == Self.meters(2))
        }
    }

    @Test func `a plan, a difference, an earlier version, and back`() async throws {
        try await TestAPI.run { api async throws in
            _ = try await api.post("/v1/tenants", #"{"name": "acme"}"#)
            for last in 1...2 { _ = try await api.apply(Self.meters(last), to: "acme") }
            let plan = try await api.send(
                .post, "/v1/tenants/acme/policies/plan", type: "application/yaml", body: Self.meters(3))
            #expect(plan.status == 200 && plan.json["version"] as? Int == 2 && plan.json["flows_cut"] as? Int == 0)
            #expect(plan.text.contains(#""before":"to 192.0.2.2: internet","change":"changed""#))
            let wrong = try await api.send(
                .post, "/v1/tenants/acme/policies/plan", type: "application/yaml", body: "policy: p\nrules: 3\n")
            #expect(wrong.status == 400)
            let difference = try await api.send(.get, "/v1/tenants/acme/policies/meters/difference?from=1&to=2")
            #expect(difference.text.contains(#""after":"to 192.0.2.2: internet""#))
            let first = try await api.send(.get, "/v1/tenants/acme/policies/meters/versions/1")
            #expect(first.json["document"] as? String == Self.meters(1))
            #expect(try await api.send(.get, "/v1/tenants/acme/policies/meters/versions/9").status == 404)
            #expect(try await api.send(.get, "/v1/tenants/acme/policies/meters/versions/0").status == 400)
            let back = try await api.post("/v1/tenants/acme/policies/meters/rollback", #"{"version": 1}"#)
            #expect(back.status == 200 && back.json["version"] as? Int == 3)
            #expect(try await api.post("/v1/tenants/acme/policies/meters/rollback", "{}").json["version"] as? Int == 4)
            let comment = #"{"comment": "\#(String(repeating: "x", count: 1001))"}"#
            #expect(try await api.post("/v1/tenants/acme/policies/meters/rollback", comment).status == 400)
            let hits = try await api.send(.get, "/v1/tenants/acme/policies/meters/hits")
            #expect(hits.status == 200 && hits.json["version"] as? Int == 4)
            #expect(try await api.send(.get, "/v1/tenants/acme/policies/meters/report").items.isEmpty)
            _ = try await api.post("/v1/tenants", #"{"name": "globex"}"#)
            let stranger = try await api.tenantToken("globex")
            for path in ["", "/versions/1", "/difference?from=1", "/hits", "/report"] {
                let answer = try await api.send(.get, "/v1/tenants/acme/policies/meters\(path)", token: stranger)
                #expect(answer.status == 404, "\(path)")
            }
        }
    }

    @Test(arguments: ["validate", "plan"])
    func `a policy may have the name of a path`(_ name: String) async throws {
        try await TestAPI.run { api async throws in
            _ = try await api.post("/v1/tenants", #"{"name": "acme"}"#)
            for last in 1...2 { _ = try await api.apply(Self.meters(last, name: name), to: "acme") }
            let path = "/v1/tenants/acme/policies/\(name)"
            #expect(try await api.send(.get, path).json["version"] as? Int == 2)
            #expect(try await api.send(.get, path + "/versions/1").json["version"] as? Int == 1)
            #expect(try await api.post(path + "/rollback", "{}").json["version"] as? Int == 3)
            #expect(try await api.send(.delete, path).status == 204)
            // The tenant may too.
            _ = try await api.post("/v1/tenants", #"{"name": "policies"}"#)
            _ = try await api.apply(Self.meters(1, name: name), to: "policies")
            let shown = try await api.send(.get, "/v1/tenants/policies/policies/\(name)")
            #expect(shown.json["name"] as? String == name)
        }
    }
}
