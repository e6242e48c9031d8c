import HTTPTypes
import Hummingbird
import Testing

import API

@Suite struct AuthenticationTests {
    /// What says nothing about anybody.
    private static let open: Set = ["/v1/openapi.json", "/v1/schemas/policy.json"]

    @Test func `no route under v1 answers without a token`() async throws {
        try await TestAPI.run { api async throws in
            let routes = APIServer.router(control: api.control, registry: api.registry).routes
                .filter { $0.path.description.hasPrefix("/v1") && !Self.open.contains($0.path.description) }
            #expect(routes.count > 40)
            for route in routes {
                let path = route.path.description.split(separator: "/").map { $0.hasPrefix("{") ? "310" : "\($0)" }
                for token in [String?.none, "", "cordon_00", "x y"] {
                    let answer = try await api.send(
                        route.method, "/" + path.joined(separator: "/"), token: token, type: "application/json",
                        body: "{}")
                    #expect(answer.status == 401, "\(route)")
                    #expect(answer.headers[.wwwAuthenticate]?.hasPrefix("Bearer") == true)
                    guard route.method != .head else { continue }
                    #expect(answer.headers[.contentType] == "application/problem+json")
                    #expect(answer.json["code"] as? String == "unauthenticated")
                }
            }
        }
    }

    @Test(arguments: ["//v1/tenants", "/v1//tenants", "/V1/tenants", "/v1/tenants/", "/v1", "/nothing", "/healthz/x"])
    func `a path written another way needs a token too`(path: String) async throws {
        try await TestAPI.run { api async throws in
            #expect(try await api.send(.get, path, token: .some(nil)).status == 401)
        }
    }

    @Test func `health, metrics and the API's description need no token`() async throws {
        try await TestAPI.run { api async throws in
            for path in ["/healthz", "/readyz", "/metrics"] + Self.open {
                #expect(try await api.send(.get, path, token: .some(nil)).status == 200)
            }
        }
    }

    @Test func `the API is not ready before kernel and store are together`() async throws {
        try await TestAPI.run(started: false) { api async throws in
            #expect(try await api.send(.get, "/readyz", token: .some(nil)).status == 503)
            #expect(try await api.send(.get, "/healthz", token: .some(nil)).status == 200)
        }
    }

    @Test func `a deleted token is refused`() async throws {
        try await TestAPI.run { api async throws in
            let made = try await api.post("/v1/tokens", #"{"name": "short-lived"}"#)
            let secret = try #require(made.json["secret"] as? String)
            #expect(try await api.send(.get, "/v1/tenants", token: secret).status == 200)
            #expect(try await api.send(.delete, "/v1/tokens/short-lived").status == 204)
            #expect(try await api.send(.get, "/v1/tenants", token: secret).status == 401)
        }
    }

    @Test func `a tenant sees its own and nothing of another`() async throws {
        try await TestAPI.run { api async throws in
            for tenant in ["acme", "globex"] {
                #expect(try await api.post("/v1/tenants", #"{"name": "\#(tenant)"}"#).status == 201)
            }
            let sim = #"{"imsi": "262010000000001", "iccid": "8949000000000000001"}"#
            #expect(try await api.post("/v1/tenants/globex/sims", sim).status == 201)
            let token = try await api.tenantToken("acme")
            let tenants = try await api.send(.get, "/v1/tenants", token: token)
            #expect(tenants.items.compactMap { $0["name"] as? String } == ["acme"])
            #expect(try await api.send(.get, "/v1/sims", token: token).items.isEmpty)
            for path in [
                "/v1/tenants/globex", "/v1/tenants/globex/groups", "/v1/tenants/globex/policies",
                "/v1/tenants/globex/blocks", "/v1/sims/262010000000001", "/v1/sims?tenant=globex",
                "/v1/sessions?tenant=globex", "/v1/sims/262010000000001/explain?to=192.0.2.1/icmp",
            ] {
                #expect(try await api.send(.get, path, token: token).status == 404, "\(path)")
            }
            #expect(try await api.send(.post, "/v1/sims/262010000000001/suspend", token: token).status == 404)
            #expect(try await api.post("/v1/tenants/globex/groups", token: token, #"{"name": "x"}"#).status == 404)
            for path in ["/v1/pools", "/v1/nas", "/v1/tokens", "/v1/audit", "/v1/status"] {
                #expect(try await api.send(.get, path, token: token).status == 403, "\(path)")
            }
        }
    }
}
