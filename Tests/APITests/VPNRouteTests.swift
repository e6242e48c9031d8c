import Foundation
import HTTPTypes
import Testing

@Suite struct VPNRouteTests {
    @Test func `a VPN is made, listed, named by a policy, explained and deleted`() async throws {
        try await TestAPI.run { api async throws in
            for name in ["acme", "globex"] { _ = try await api.post("/v1/tenants", #"{"name": "\#(name)"}"#) }
            let path = "/v1/tenants/acme/vpns"
            let made = try await api.post(
                path, #"{"name": "hq", "interface": "line1", "networks": ["10.0.0.0/24", "2001:db8:aa::/48"]}"#)
            let line = made.json["vpn"] as? [String: Any]
            #expect(made.status == 201 && line?["state"] as? String == "up")
            #expect(line?["networks"] as? [String] == ["10.0.0.0/24", "2001:db8:aa::/48"])
            #expect(try await api.send(.get, path).items.map { $0["name"] as? String } == ["hq"])
            #expect(try await api.send(.get, path + "/hq").json["interface"] as? String == "line1")
            let document = "policy: p\nrules:\n  - {name: a, to: [10.0.0.0/24], route: vpn:hq}\n"
            #expect(try await api.apply(document, to: "acme").status == 201)
            #expect(try await api.send(.delete, path + "/hq").status == 409)
            let token = try await api.tenantToken("globex")
            #expect(try await api.send(.get, path, token: token).status == 404)
            #expect(try await api.send(.delete, path + "/hq", token: token).status == 404)
            #expect(try await api.send(.delete, "/v1/tenants/acme/policies/p").status == 204)
            #expect(try await api.send(.delete, path + "/hq").status == 204)
            #expect(try await api.send(.get, path + "/hq").status == 404)
        }
    }

    @Test(
        arguments: [
            #"{"name": "hq", "interface": "line1"}"#, #"{"name": "hq", "interface": "line1", "networks": []}"#,
            #"{"name": "hq", "interface": "a b", "networks": ["10.0.0.0/24"]}"#,
            #"{"name": "hq", "interface": "line1", "networks": ["acme.example"]}"#,
            #"{"name": "hq", "interface": "line1", "networks": ["10.0.0.1/24"]}"#,
            #"{"name": "hq", "interface": "line1", "networks": ["10.0.0.0/24"], "psk": "x"}"#,
        ])
    func `what is wrong is told, and nothing is made`(body: String) async throws {
        try await TestAPI.run { api async throws in
            _ = try await api.post("/v1/tenants", #"{"name": "acme"}"#)
            #expect(try await api.post("/v1/tenants/acme/vpns", body).status == 400)
            #expect(try await api.send(.get, "/v1/tenants/acme/vpns").items.isEmpty)
        }
    }
}
